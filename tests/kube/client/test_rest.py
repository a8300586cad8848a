"""What the client makes of answers, refusals, broken streams and dead servers."""

import asyncio
import json
import ssl
from contextlib import aclosing

import pytest
from aiohttp import web

from kube.api import errors
from kube.api.errors import StatusError
from kube.api.resources import DEPLOYMENTS, NAMESPACES, PODS
from kube.client.config import ClientConfig
from kube.client.rest import Client, ConnectionFailed
from tests.support.certificates import Authority
from tests.support.wire import ScriptedServer, answer, config, hang_up, line, pod, pod_list, refuse, stream

EXPIRED = errors.expired("too old resource version: 3 (90)")


async def test_verbs_become_requests(authority: Authority) -> None:
    async with ScriptedServer(authority, *[answer({"metadata": {}})] * 7) as server:
        client = Client(config(authority, server.url), "tester")
        await client.get(PODS, "default", "a")
        await client.create(PODS, {"metadata": {"name": "a", "namespace": "default"}})
        await client.create(
            PODS, {"metadata": {"name": "a"}, "target": {"name": "n"}}, "default", subresource="binding"
        )
        await client.update(
            DEPLOYMENTS, {"metadata": {"name": "d", "namespace": "x"}, "spec": {}}, subresource="status"
        )
        await client.patch(NAMESPACES, None, "x", {"metadata": {"labels": None}}, "strategic")
        await client.delete(
            PODS, "default", "a", uid="u", grace_period_seconds=0, propagation_policy="Orphan"
        )
        await client.delete_collection(PODS, "x", label_selector="a=b")
        await client.close()
    assert [f"{each.method} {each.path_qs}" for each in server.requests] == [
        "GET /api/v1/namespaces/default/pods/a",
        "POST /api/v1/namespaces/default/pods",
        "POST /api/v1/namespaces/default/pods/a/binding",
        "PUT /apis/apps/v1/namespaces/x/deployments/d/status",
        "PATCH /api/v1/namespaces/x",
        "DELETE /api/v1/namespaces/default/pods/a",
        "DELETE /api/v1/namespaces/x/pods?labelSelector=a%3Db",
    ]
    assert server.requests[0].headers["User-Agent"] == "tester"
    assert server.requests[4].headers["Content-Type"] == "application/strategic-merge-patch+json"
    assert server.bodies[1]["kind"] == "Pod"
    assert server.bodies[3]["apiVersion"] == "apps/v1"
    assert server.bodies[5] == {
        "kind": "DeleteOptions",
        "apiVersion": "v1",
        "gracePeriodSeconds": 0,
        "propagationPolicy": "Orphan",
        "preconditions": {"uid": "u"},
    }


async def test_a_status_is_raised_as_it_was_said(authority: Authority) -> None:
    async with ScriptedServer(authority, refuse(errors.not_found(PODS, "a"))) as server:
        client = Client(config(authority, server.url))
        with pytest.raises(StatusError) as raised:
            await client.get(PODS, "default", "a")
        await client.close()
    assert errors.is_not_found(raised.value)
    assert str(raised.value) == 'pods "a" not found'


async def test_listed_items_say_their_kind(authority: Authority) -> None:
    async with ScriptedServer(authority, pod_list("7", pod("a", "5"))) as server:
        client = Client(config(authority, server.url))
        listed = await client.list(PODS)
        await client.close()
    assert (listed["items"][0]["apiVersion"], listed["items"][0]["kind"]) == ("v1", "Pod")


async def test_too_many_requests_are_tried_again(authority: Authority) -> None:
    busy = refuse(errors.too_many_requests("wait", 1), **{"Retry-After": "0.01"})
    async with ScriptedServer(authority, busy, busy, answer(pod("a", "1"))) as server:
        client = Client(config(authority, server.url))
        assert (await client.get(PODS, "default", "a"))["metadata"]["name"] == "a"
        await client.close()


async def test_a_read_goes_on_to_the_next_server(authority: Authority) -> None:
    twice = [answer(pod("a", "1"))] * 2
    async with (
        ScriptedServer(authority, hang_up) as first,
        ScriptedServer(authority, *twice) as second,
    ):
        client = Client(config(authority, first.url, second.url))
        await client.get(PODS, "default", "a")
        await client.get(PODS, "default", "a")
        await client.close()
        assert len(second.requests) == 2, "the second stays the preferred one"


@pytest.mark.parametrize("verb", ["create", "update", "delete"])
async def test_a_write_that_may_have_happened_is_not_repeated(authority: Authority, verb: str) -> None:
    """Not even on the connection that served before and was closed now, nor where nobody listens any more."""

    async def write(client: Client) -> None:
        if verb == "delete":
            await client.delete(PODS, "default", "a")
        else:
            await getattr(client, verb)(PODS, pod("a", "1"))

    async with ScriptedServer(authority) as second:
        async with ScriptedServer(authority, answer(pod("a", "1"))) as first:

            async def die(request: web.Request) -> web.StreamResponse:
                await first.stop_listening()
                return await hang_up(request)

            first.script.append(die)
            client = Client(config(authority, first.url, second.url))
            await client.get(PODS, "default", "a")
            with pytest.raises(ConnectionFailed) as failed:
                await write(client)
            assert failed.value.sent
            await client.close()
        assert (len(first.requests), len(second.requests)) == (2, 0)


async def test_behind_its_fence_a_client_only_reads(authority: Authority) -> None:
    async with ScriptedServer(authority, answer(pod("a", "1"))) as server:
        client = Client(config(authority, server.url), may_write=lambda: False)
        await client.get(PODS, "default", "a")
        with pytest.raises(ConnectionFailed) as failed:
            await client.create(PODS, pod("b", ""))
        assert not failed.value.sent
        await client.close()
    assert [each.method for each in server.requests] == ["GET"]


async def test_a_write_to_a_server_that_is_not_there_goes_to_the_next(authority: Authority) -> None:
    async with ScriptedServer(authority) as dead:
        pass
    async with ScriptedServer(authority, answer(pod("a", "1"))) as second:
        client = Client(config(authority, dead.url, second.url))
        await client.create(PODS, pod("a", ""))
        await client.close()


async def test_no_server_at_all(authority: Authority) -> None:
    async with ScriptedServer(authority) as dead:
        pass
    client = Client(config(authority, dead.url))
    with pytest.raises(ConnectionFailed):
        await client.get(PODS, "default", "a")
    await client.close()


async def watched(client: Client) -> list[str]:
    events = client.watch(PODS, resource_version="3")
    async with aclosing(events):  # type: ignore[type-var]
        return [
            f"{event.type} {event.object['kind']} {event.object['metadata']['name']}"
            async for event in events
        ]


async def test_watch_lines_are_found_however_they_are_cut(authority: Authority) -> None:
    text = line("ADDED", "a", "4") + line("DELETED", "b", "5")
    async with ScriptedServer(authority, stream(text), stream(*text), stream(text[:70], text[70:])) as server:
        client = Client(config(authority, server.url))
        for _ in range(3):
            assert await watched(client) == ["ADDED Pod a", "DELETED Pod b"]
        await client.close()
    assert server.requests[0].query["allowWatchBookmarks"] == "true"
    assert server.requests[0].query["resourceVersion"] == "3"


@pytest.mark.parametrize(
    "broken",
    [
        stream(line("ADDED", "a", "4")[:-9]),
        stream("{not json}\n"),
        stream(line("ADDED", "a", "4"), cut=True),
    ],
)
async def test_a_broken_watch_is_a_failed_connection(authority: Authority, broken: object) -> None:
    async with ScriptedServer(authority, broken) as server:  # type: ignore[arg-type]
        client = Client(config(authority, server.url))
        with pytest.raises(ConnectionFailed):
            await watched(client)
        await client.close()


async def test_a_watch_without_an_answer_is_a_failed_connection(authority: Authority) -> None:
    async with ScriptedServer(authority, hang_up) as server:
        client = Client(config(authority, server.url))
        with pytest.raises(ConnectionFailed):
            await watched(client)
        await client.close()


async def test_an_expired_watch_raises_its_status_either_way(authority: Authority) -> None:
    event = json.dumps({"type": "ERROR", "object": EXPIRED.status()}) + "\n"
    async with ScriptedServer(authority, stream(event), refuse(EXPIRED)) as server:
        client = Client(config(authority, server.url))
        for _ in range(2):
            with pytest.raises(StatusError) as raised:
                await watched(client)
            assert errors.is_expired(raised.value)
        await client.close()


async def test_a_close_that_is_cancelled_closes_every_connection() -> None:
    asked, gone = asyncio.Event(), asyncio.Event()

    async def never_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        await reader.read()
        gone.set()
        writer.close()

    async with await asyncio.start_server(never_answer, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        client = Client(ClientConfig((f"http://{host}:{port}",), ssl.create_default_context()))
        reading = asyncio.ensure_future(client.get(PODS, "default", "a"))
        await asked.wait()
        closing = asyncio.ensure_future(client.close())
        await asyncio.sleep(0)
        closing.cancel()
        await gone.wait()
        reading.cancel()
        _, closed = await asyncio.gather(reading, closing, return_exceptions=True)
        assert isinstance(closed, asyncio.CancelledError)
