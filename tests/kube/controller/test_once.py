"""A create or delete whose answer is lost is repeated as it was, and what is found then is ours."""

from random import Random
from typing import Any

import pytest
from aiohttp import web

from kube.api import errors
from kube.api.actions import Delete
from kube.api.errors import StatusError
from kube.api.resources import PODS
from kube.client.rest import Client, ConnectionFailed
from kube.controller.once import create_once, delete_once
from tests.support.certificates import Authority
from tests.support.wire import ScriptedServer, answer, config, hang_up, refuse

OWNER = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": "u", "controller": True}


def unnamed() -> dict[str, Any]:
    metadata = {"generateName": "web-", "namespace": "default", "ownerReferences": [OWNER]}
    return {"metadata": metadata, "spec": {}}


def found(owner: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": {"name": "web-x", "namespace": "default", "ownerReferences": [owner]}}


async def created(request: web.Request) -> web.StreamResponse:
    return web.json_response(await request.json())


TAKEN = refuse(errors.already_exists(PODS, "web-x"))
MISSING = refuse(errors.not_found(PODS, "web-x"))
UNKNOWN = refuse(errors.timeout("the store did not answer"))


async def create(client: Client) -> dict[str, Any]:
    return await create_once(client, PODS, unnamed(), Random(1))


@pytest.mark.parametrize("lost", [hang_up, UNKNOWN])
async def test_the_same_name_is_tried_until_somebody_knows(authority: Authority, lost: Any) -> None:
    async with ScriptedServer(authority, lost, lost, created) as server:
        client = Client(config(authority, server.url))
        made = await create(client)
        await client.close()
    names = [each["metadata"]["name"] for each in server.bodies]
    assert names == [made["metadata"]["name"]] * 3
    assert names[0].startswith("web-")
    assert made["metadata"]["generateName"] == "web-", "it is told apart no less"


async def test_what_is_there_with_our_owner_is_ours(authority: Authority) -> None:
    async with ScriptedServer(authority, hang_up, TAKEN, answer(found(OWNER))) as server:
        client = Client(config(authority, server.url))
        assert (await create(client))["metadata"]["name"] == "web-x"
        await client.close()


async def test_what_is_there_with_another_owner_is_not(authority: Authority) -> None:
    async with ScriptedServer(authority, TAKEN, answer(found(OWNER | {"uid": "other"}))) as server:
        client = Client(config(authority, server.url))
        with pytest.raises(StatusError) as refused:
            await create(client)
        assert errors.is_already_exists(refused.value)
        await client.close()


async def test_what_was_made_and_deleted_was_made(authority: Authority) -> None:
    async with ScriptedServer(authority, hang_up, TAKEN, MISSING) as server:
        client = Client(config(authority, server.url))
        assert (await create(client))["metadata"]["name"].startswith("web-")
        await client.close()


async def test_what_never_left_is_decided_anew(authority: Authority) -> None:
    async with ScriptedServer(authority) as dead:
        pass
    client = Client(config(authority, dead.url))
    with pytest.raises(ConnectionFailed):
        await create(client)
    await client.close()


@pytest.mark.parametrize("lost", [hang_up, UNKNOWN])
async def test_the_same_is_deleted_until_somebody_knows(authority: Authority, lost: Any) -> None:
    """Whatever became of the pods meanwhile: another one deleted in its place could be one too many."""
    async with ScriptedServer(authority, lost, lost, MISSING) as server:
        client = Client(config(authority, server.url))
        await delete_once(client, Delete(PODS, "default", "web-x", "u"))
        await client.close()
    assert [each["preconditions"] for each in server.bodies] == [{"uid": "u"}] * 3


async def test_a_delete_that_finds_nothing_says_so(authority: Authority) -> None:
    async with ScriptedServer(authority, MISSING) as server:
        client = Client(config(authority, server.url))
        with pytest.raises(StatusError) as refused:
            await delete_once(client, Delete(PODS, "default", "web-x", "u"))
        assert errors.is_not_found(refused.value)
        await client.close()


async def test_a_delete_by_name_alone_might_hit_another_and_is_not_repeated(authority: Authority) -> None:
    async with ScriptedServer(authority, hang_up) as server:
        client = Client(config(authority, server.url))
        with pytest.raises(ConnectionFailed):
            await delete_once(client, Delete(PODS, "default", "web-x"))
        await client.close()
