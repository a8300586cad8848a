"""Two candidates, one Lease, in virtual time; the server of it is a dozen lines that check versions."""

import asyncio
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry

from kube.api import errors
from kube.api.resources import LEASES, Resource
from kube.base.startup import StartupError
from kube.client.identity import listener_identity
from kube.client.leader_election import LeaderElector, Timing, elector
from kube.client.rest import ConnectionFailed
from tests.support.certificates import Authority
from tests.support.virtual_time import VirtualLoop, virtual_time
from tests.support.wait import until_async
from tests.support.wire import ScriptedServer, answer, config, refuse


class LeaseServer:
    """Keeps one Lease as the API server would; `reachable` says for whom."""

    def __init__(self) -> None:
        self.lease: dict[str, Any] | None = None
        self.version = 0
        self.cut_off: set[str] = set()
        self.hanging: set[str] = set()

    def client(self, identity: str) -> Any:
        return LeaseClient(self, identity)

    def write(self, lease: dict[str, Any]) -> dict[str, Any]:
        self.version += 1
        metadata = lease["metadata"] | {"resourceVersion": str(self.version)}
        self.lease = {**lease, "metadata": metadata}
        return self.lease


class LeaseClient:
    """The three calls that an elector makes."""

    def __init__(self, server: LeaseServer, identity: str) -> None:
        self.server, self.identity = server, identity

    async def get(self, resource: Resource, namespace: str, name: str) -> dict[str, Any]:
        await self._check()
        if self.server.lease is None:
            raise errors.not_found(LEASES, name)
        return self.server.lease

    async def create(self, resource: Resource, lease: dict[str, Any]) -> dict[str, Any]:
        await self._check()
        if self.server.lease is not None:
            raise errors.already_exists(LEASES, lease["metadata"]["name"])
        return self.server.write(lease)

    async def update(self, resource: Resource, lease: dict[str, Any]) -> dict[str, Any]:
        await self._check()
        if lease["metadata"]["resourceVersion"] != str(self.server.version):
            raise errors.conflict(LEASES, lease["metadata"]["name"])
        return self.server.write(lease)

    async def _check(self) -> None:
        if self.identity in self.server.cut_off:
            raise ConnectionFailed("cut off")
        if self.identity in self.server.hanging:
            await asyncio.Event().wait()


class Candidate:
    """Runs an elector and notes when it leads."""

    def __init__(self, server: LeaseServer, identity: str) -> None:
        self.elector = LeaderElector(server.client(identity), "test", identity)
        self.leading = asyncio.Event()
        self.terms: list[tuple[float, float]] = []
        self.task = asyncio.create_task(self._compete())

    async def _compete(self) -> None:
        while True:
            await self.elector.run(self._lead)

    async def _lead(self) -> None:
        began = asyncio.get_running_loop().time()
        self.leading.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.leading.clear()
            self.terms.append((began, asyncio.get_running_loop().time()))

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


@virtual_time
async def test_one_leads_and_keeps_leading() -> None:
    server = LeaseServer()
    first, second = Candidate(server, "a"), Candidate(server, "b")
    await first.leading.wait()
    await asyncio.sleep(300)
    assert first.leading.is_set()
    assert not second.leading.is_set()
    assert server.lease is not None
    assert server.lease["spec"]["leaseTransitions"] == 0
    await first.stop()
    await second.stop()


@pytest.mark.parametrize("how", ["cut_off", "hanging"])
@virtual_time
async def test_who_is_cut_off_stops_before_the_other_starts(how: str) -> None:
    server = LeaseServer()
    first, second = Candidate(server, "a"), Candidate(server, "b")
    await first.leading.wait()
    await asyncio.sleep(30)
    getattr(server, how).add("a")
    await second.leading.wait()
    took_over = asyncio.get_running_loop().time()
    assert first.terms
    assert first.terms[0][1] < took_over, "never two at once"
    assert 15 <= took_over - 30 <= 20
    assert server.lease is not None
    assert server.lease["spec"]["leaseTransitions"] == 1
    await first.stop()
    await second.stop()


@virtual_time
async def test_who_ends_cleanly_lets_the_other_lead_at_once() -> None:
    server = LeaseServer()
    first, second = Candidate(server, "a"), Candidate(server, "b")
    await first.leading.wait()
    await asyncio.sleep(30)
    await first.stop()
    await second.leading.wait()
    assert asyncio.get_running_loop().time() - 30 <= 2
    await second.stop()


@virtual_time
async def test_a_leader_that_was_paused_may_not_act_when_it_goes_on() -> None:
    server = LeaseServer()
    leader = Candidate(server, "a")
    await leader.leading.wait()
    await asyncio.sleep(30)
    assert leader.elector.may_act()
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    loop.pass_unnoticed(20)
    # Nobody has had time to tell it anything.
    assert leader.leading.is_set()
    assert not leader.elector.may_act()
    await leader.stop()


@virtual_time
async def test_who_sees_another_hold_the_lease_stops_at_once() -> None:
    server = LeaseServer()
    first = Candidate(server, "a")
    await first.leading.wait()
    await asyncio.sleep(30)
    assert server.lease is not None
    spec = server.lease["spec"]
    server.write({**server.lease, "spec": {**spec, "holderIdentity": "b"}})
    await asyncio.sleep(3)
    assert not first.leading.is_set()
    assert not first.elector.may_act()
    await first.stop()


@virtual_time
async def test_who_is_started_again_under_its_name_leads_at_once() -> None:
    server = LeaseServer()
    first = Candidate(server, "a")
    await first.leading.wait()
    await asyncio.sleep(30)
    server.cut_off.add("a")
    await first.stop()
    server.cut_off.clear()
    again, other = Candidate(server, "a"), Candidate(server, "b")
    await again.leading.wait()
    assert now() == 30
    assert not other.leading.is_set()
    assert server.lease is not None
    assert server.lease["spec"]["leaseTransitions"] == 0
    await again.stop()
    await other.stop()


def test_a_name_belongs_to_a_listener() -> None:
    assert listener_identity("127.0.0.1", 6490) == listener_identity("127.0.0.1", 6490)
    assert listener_identity("127.0.0.1", 6490) != listener_identity("127.0.0.1", 6491)
    with pytest.raises(StartupError, match="--secure-port"):
        listener_identity("127.0.0.1", 0)


@pytest.mark.slow
async def test_a_leader_goes_on_at_another_server_when_the_first_is_paused(authority: Authority) -> None:
    held: dict[str, Any] = {}

    async def serve(request: web.Request) -> web.StreamResponse:
        if request.method == "PUT":
            held.update(await request.json())
        return web.json_response(held)

    created = {"metadata": {"name": "test", "namespace": "kube-system"}, "spec": {"holderIdentity": "me"}}
    # Both may be asked whether they live, besides.
    first = ScriptedServer(
        authority, refuse(errors.not_found(LEASES, "test")), answer(created), *[paused] * 9
    )
    second = ScriptedServer(authority, *[serve] * 999)
    timing = Timing(timedelta(seconds=6), timedelta(seconds=4), timedelta(seconds=0.2))
    async with first, second, AsyncExitStack() as closing:
        servers = config(authority, first.url, second.url)
        metrics = CollectorRegistry()
        ours = await closing.enter_async_context(elector(servers, "t", "me", timing, metrics))

        def leads() -> float | None:
            return metrics.get_sample_value("leader_election_master_status", {"name": "t"})

        assert leads() == 0
        leading = asyncio.create_task(ours.run(asyncio.Event().wait))
        await until_async("it renews at the other server", lambda: len(verbs(second)) == 3)
        assert not leading.done()
        assert ours.may_act()
        assert leads() == 1
        leading.cancel()
        await asyncio.gather(leading, return_exceptions=True)
        assert leads() == 0
    assert verbs(first) == ["GET", "POST", "PUT"]
    assert first.requests[0].headers["User-Agent"] == "t/leader-election"
    assert held["spec"]["holderIdentity"] == "", "it let go in the end"


def verbs(server: ScriptedServer) -> list[str]:
    """What was done to the Lease."""
    return [each.method for each in server.requests if "/leases" in each.path]


def paused(_: web.Request) -> Any:
    return asyncio.Event().wait()


def now() -> float:
    return asyncio.get_running_loop().time()


@virtual_time
async def test_what_the_leader_raises_is_raised() -> None:
    async def fail() -> None:
        raise ValueError("no")

    elector = LeaderElector(LeaseServer().client("a"), "test", "a")
    with pytest.raises(ValueError, match="no"):
        await elector.run(fail)
