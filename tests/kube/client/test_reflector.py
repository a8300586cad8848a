"""A server ends, breaks and forgets watches: informers end up with the truth all the same."""

import asyncio
from contextlib import asynccontextmanager
from typing import Any

from kube.api import errors
from kube.api.resources import PODS
from kube.base.tasks import Tasks
from kube.client.informer import Informer
from kube.client.rest import Client
from tests.support.certificates import Authority
from tests.support.wait import until_async
from tests.support.wire import Answer, ScriptedServer, config, line, pod, pod_list, refuse, stream

EXPIRED = errors.expired("too old resource version")


class Listener:
    """Writes down what an informer announces, and lets a test wait for it."""

    def __init__(self, informer: Informer) -> None:
        self.heard: list[str] = []
        self._changed = asyncio.Event()
        informer.add_handler(
            lambda o: self._note(f"add {o['metadata']['name']}"),
            lambda old, new: self._note(f"update {new['metadata']['name']} {version(old)}->{version(new)}"),
            lambda o: self._note(f"delete {o['metadata']['name']} {version(o)}"),
        )

    def _note(self, what: str) -> None:
        self.heard.append(what)
        self._changed.set()

    async def until(self, expected: list[str]) -> None:
        while len(self.heard) < len(expected):
            self._changed.clear()
            await self._changed.wait()
        assert self.heard == expected


def version(o: dict[str, Any]) -> str:
    return str(o["metadata"]["resourceVersion"])


@asynccontextmanager
async def following(authority: Authority, *script: Answer) -> Any:
    """An informer of pods, fed by a script whose last watch stays open; its listener and its requests."""
    closed = asyncio.Event()
    last = stream(after=closed.wait)
    async with ScriptedServer(authority, *script, last) as server, Tasks() as tasks:
        client = Client(config(authority, server.url))
        informer = Informer(client, PODS)
        listener = Listener(informer)
        tasks.start("informer", informer.run)
        yield informer, listener, server
        closed.set()
        await tasks.cancel()
        await client.close()


def versions(server: ScriptedServer) -> list[str]:
    """What was asked: `list`, or from where to watch."""
    return [each.query.get("resourceVersion", "list") for each in server.requests]


async def test_a_watch_that_ends_goes_on_where_it_was(authority: Authority) -> None:
    script = [
        pod_list("5", pod("a", "3"), pod("b", "5")),
        stream(line("MODIFIED", "a", "6"), line("BOOKMARK", "", "20")),
        stream(line("ADDED", "c", "21"), line("DELETED", "b", "22")),
    ]
    async with following(authority, *script) as (informer, listener, server):
        await listener.until(["add a", "add b", "update a 3->6", "add c", "delete b 22"])
        await until_async("the next watch", lambda: len(server.requests) == 4)
        assert versions(server) == ["list", "5", "20", "22"]
        assert sorted(each["metadata"]["name"] for each in informer.store.list()) == ["a", "c"]
        assert informer.has_synced


async def test_a_watch_that_breaks_goes_on_where_it_was(authority: Authority) -> None:
    script = [pod_list("5"), stream(line("ADDED", "a", "6"), cut=True), stream(line("MODIFIED", "a", "7"))]
    async with following(authority, *script) as (_, listener, server):
        await listener.until(["add a", "update a 6->7"])
        await until_async("the next watch", lambda: len(server.requests) == 4)
        assert versions(server) == ["list", "5", "6", "7"]


async def test_an_expired_watch_lists_again_and_announces_the_difference(authority: Authority) -> None:
    script = [
        pod_list("5", pod("a", "3"), pod("b", "4"), pod("c", "5"), pod("d", "5", uid="old")),
        refuse(EXPIRED),
        pod_list("90", pod("a", "3"), pod("c", "80"), pod("d", "85", uid="new"), pod("e", "90")),
    ]
    async with following(authority, *script) as (_, listener, server):
        expected = ["add a", "add b", "add c", "add d"]
        expected += ["delete b 4", "update c 5->80", "delete d 5", "add d", "add e"]
        await listener.until(expected)
        await until_async("the next watch", lambda: len(server.requests) == 4)
        assert versions(server) == ["list", "5", "list", "90"]


async def test_a_refused_watch_is_asked_for_again_without_a_list(authority: Authority) -> None:
    busy = refuse(errors.service_unavailable("the store is away"))
    script = [pod_list("5"), busy, busy, stream(line("ADDED", "a", "6"))]
    async with following(authority, *script) as (_, listener, server):
        await listener.until(["add a"])
        await until_async("the next watch", lambda: len(server.requests) == 5)
        assert versions(server) == ["list", "5", "5", "5", "6"]


async def test_a_handler_that_comes_late_hears_of_what_is_there(authority: Authority) -> None:
    async with following(authority, pod_list("5", pod("a", "3"))) as (informer, _, _server):
        await informer.wait_synced()
        late = Listener(informer)
        assert late.heard == ["add a"]
