"""Two candidates, one Lease, in virtual time; the server of it is a dozen lines that check versions."""

import asyncio
from typing import Any

import pytest

from kube.api import errors
from kube.api.resources import LEASES, Resource
from kube.client.leader_election import LeaderElector
from kube.client.rest import ConnectionFailed
from tests.support.virtual_time import virtual_time


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
async def test_what_the_leader_raises_is_raised() -> None:
    async def fail() -> None:
        raise ValueError("no")

    elector = LeaderElector(LeaseServer().client("a"), "test", "a")
    with pytest.raises(ValueError, match="no"):
        await elector.run(fail)
