"""Lasting tokens in Secrets: filled, good for as long as Secret and account are there, and gone with them."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from controllers.main import Manager, Settings
from controllers.serviceaccount_token.plan import Seen, plan
from controllers.serviceaccount_token.signer import Signer
from kube.api import meta
from kube.api.actions import Delete, Update
from kube.api.meta import Object
from kube.api.resources import SECRETS, SERVICE_ACCOUNTS
from kube.base.tasks import Tasks
from tests.controllers.conftest import Managed
from tests.controllers.test_plans import START, made
from tests.support.api_server import Api, serving
from tests.support.in_process import client_of

ACCOUNT = made({"name": "robot"})


def sign(account: Object, secret: Object) -> str:
    return f"token of {meta.name(account)} in {meta.name(secret)}"


def secret(data: Object | None = None, **annotations: str) -> Object:
    about = {f"kubernetes.io/service-account.{part}": value for part, value in annotations.items()}
    return made(
        {"name": "s", "annotations": about}, type="kubernetes.io/service-account-token", data=data or {}
    )


def test_what_is_missing_is_filled_in_and_what_is_there_stays() -> None:
    [action] = plan(Seen(secret({"token": "b2xk"}, name="robot"), ACCOUNT, "THE-CA", sign), START)
    assert isinstance(action, Update)
    assert action.object["data"]["token"] == "b2xk"
    assert base64.b64decode(action.object["data"]["ca.crt"]) == b"THE-CA"
    assert base64.b64decode(action.object["data"]["namespace"]) == b"default"
    assert meta.annotations(action.object)["kubernetes.io/service-account.uid"] == "uid-robot"
    assert plan(Seen(action.object, ACCOUNT, "THE-CA", sign), START) == []
    [action] = plan(Seen(secret(name="robot"), ACCOUNT, None, sign), START)
    assert isinstance(action, Update)
    assert base64.b64decode(action.object["data"]["token"]) == b"token of robot in s"
    assert "ca.crt" not in action.object["data"]


def test_a_token_goes_with_its_account() -> None:
    [action] = plan(Seen(secret(name="robot"), None, None, sign), START)
    assert isinstance(action, Delete)
    [action] = plan(Seen(secret(name="robot", uid="another"), ACCOUNT, None, sign), START)
    assert isinstance(action, Delete)


@dataclass
class Served(Managed):
    api: Api


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with serving() as api, Tasks() as tasks:
        client, own = client_of(api, "test"), client_of(api, "kube-controller-manager")
        signer = Signer(api.server.tokens._keys.private)
        tasks.start("controllers", Manager(own, Settings(root_ca="CA", signer=signer), 3).lead)
        yield Served(client, api)
        await tasks.cancel()
        await own.close()
        await client.close()


async def test_a_token_works_until_its_account_is_gone(served: Served) -> None:
    metadata = {"name": "robot", "namespace": "default"}
    await served.client.create(SERVICE_ACCOUNTS, {"metadata": metadata})
    asked = secret(name="robot")
    wanted = {**metadata, "annotations": meta.annotations(asked)}
    await served.client.create(SECRETS, {"metadata": wanted, "type": asked["type"]})
    filled = await served.until(SECRETS, "robot", lambda o: meta.get(o, "data", "token"))
    token = base64.b64decode(filled["data"]["token"]).decode()
    tokens = served.api.server.tokens
    user = tokens.authenticate(token)
    assert user is not None
    assert user.name == "system:serviceaccount:default:robot"
    assert tokens.authenticate(token + "x") is None
    await served.client.delete(SERVICE_ACCOUNTS, "default", "robot")
    await served.until_gone(SECRETS, "robot")
    assert tokens.authenticate(token) is None
