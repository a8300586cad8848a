"""Three real members under kill -9, SIGSTOP and cut links: what clients were told makes one history, and what
watches told is all of it. The checkers are those of the simulation; the seed decides what goes wrong.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from random import Random
from typing import Any

import pytest

from etcdlite.client import Client, ClientError, Unavailable
from tests.etcdlite.recorder import Recorder
from tests.etcdlite.test_cluster import all_equal, client_of, wait_for_leader
from tests.sim.checkers.history import History, kv_of
from tests.sim.checkers.watch_guarantees import WatchGuarantees, Watching
from tests.sim.workload import END, KEYS
from tests.support.store_cluster import StoreCluster
from tests.support.wait import until_async

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

CLIENTS = 6
FAULTS = 10
CALLS_DURING = 40
CALLS_BETWEEN = 40
FIRST_REVISION = 2
LEASE_KEY = b"lease"
LEASE_TTL_SECONDS = 3
RENEW_SECONDS = 0.3


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[StoreCluster]:
    flags = ("--enable-fault-injection", "--snapshot-count=200", "--snapshot-catchup-entries=50")
    with StoreCluster(tmp_path, flags=flags) as cluster:
        cluster.start()
        wait_for_leader(cluster)
        yield cluster


# ---- what goes wrong


class Faults:
    """`during` waits while one lasts: for so many calls, or what becomes of them."""

    def __init__(self, cluster: StoreCluster, client: Client, ids: list[int], random: Random) -> None:
        self._cluster = cluster
        self._client = client
        self._ids = ids
        self._random = random

    async def one(self, during: Callable[[], Awaitable[None]]) -> None:
        await self._random.choice((self._kill, self._kill, self._pause, self._isolate, self._cut))(during)

    async def _kill(self, during: Callable[[], Awaitable[None]]) -> None:
        """Some members, perhaps all, all at once."""
        some = self._random.sample(range(3), self._random.choice((1, 1, 2, 3)))
        self._cluster.kill(*some)
        await during()
        self._cluster.start(*some)

    async def _pause(self, during: Callable[[], Awaitable[None]]) -> None:
        number = self._random.randrange(3)
        self._cluster.pause(number)
        await during()
        self._cluster.resume(number)

    async def _isolate(self, during: Callable[[], Awaitable[None]]) -> None:
        """One member from both others."""
        number = self._random.randrange(3)
        await self._cut_both({(number, other) for other in range(3) if other != number}, during)

    async def _cut(self, during: Callable[[], Awaitable[None]]) -> None:
        """One link of three: the others still hear everyone."""
        a, b = self._random.sample(range(3), 2)
        await self._cut_both({(a, b)}, during)

    async def _cut_both(self, links: set[tuple[int, int]], during: Callable[[], Awaitable[None]]) -> None:
        endpoints = self._cluster.endpoints
        for a, b in sorted(links):
            for end, other in ((a, b), (b, a)):
                with suppress(ClientError):  # it is still starting
                    await self._client.cut_links(endpoints[end], [self._ids[other]], timeout=1)
        await during()
        for endpoint in endpoints:
            with suppress(ClientError):
                await self._client.heal_links(endpoint, timeout=1)


# ---- who looks on


@dataclass
class Listener:
    """A watch, and all it was told, with the time of each response."""

    watching: Watching
    heard: list[tuple[float, Any]] = field(default_factory=list)

    async def listen(self, client: Client) -> None:
        """Until cancelled; the client goes to another member when a stream breaks."""
        watching, now = self.watching, asyncio.get_running_loop().time
        start = {"start_revision": watching.next_revision, "prev_kv": watching.prev_kv}
        async with client.watch(watching.key, watching.range_end, **start) as responses:
            async for response in responses:
                self.heard.append((now(), response))
                if len(self.heard) % 20 == 0:
                    await responses.request_progress()

    def has_all(self, history: History) -> bool:
        events = [event for _, response in self.heard for event in response.events]
        last = events[-1].kv.mod_revision if events else 0
        return not any(history.events(self.watching.key, self.watching.range_end, last + 1, history.revision))

    def check(self, guarantees: WatchGuarantees, history: History) -> None:
        for _, response in self.heard:
            self.watching.progress = 0  # who tells it may be another member than before, and behind
            guarantees.heard(self.watching, response)
        guarantees.check_end(self.watching, history.revision)


async def grant_lease(client: Client) -> int:
    """A lease with its key."""
    lease = await client.lease_grant(LEASE_TTL_SECONDS)
    await client.put(LEASE_KEY, b"held", lease=lease.ID)
    return int(lease.ID)


async def hold_lease(client: Client, lease_id: int, is_over: asyncio.Event) -> list[float]:
    """Keep the lease alive; when each renewal was asked that was acknowledged."""
    now = asyncio.get_running_loop().time
    renewed_at = []
    while not is_over.is_set():
        asked_at = now()
        with suppress(Unavailable):
            if not await client.lease_keep_alive(lease_id):
                break
            renewed_at.append(asked_at)
        with suppress(TimeoutError):
            await asyncio.wait_for(is_over.wait(), RENEW_SECONDS)
    return renewed_at


def check_lease(renewed_at: list[float], everything: Listener) -> None:
    """The key went no earlier than its lease allows, told by who heard of it."""
    for heard_at, response in everything.heard:
        for event in response.events:
            if event.kv.key == LEASE_KEY and event.kv.version == 0:
                last = max((asked_at for asked_at in renewed_at if asked_at < heard_at), default=0.0)
                assert heard_at - last >= LEASE_TTL_SECONDS, f"renewed at {last}, and gone at {heard_at}"


async def history_of(cluster: StoreCluster, last_revision: int) -> History:
    """One watch of everything from the beginning."""
    history = History()
    async with (
        client_of(cluster) as client,
        client.watch(b"\0", b"\0", start_revision=FIRST_REVISION) as all_,
    ):
        while history.revision < last_revision:
            response = await anext(all_)
            kvs = [kv_of(event.kv) for event in response.events]
            for revision, changes in groupby(kvs, key=lambda kv: kv.mod_revision):
                history.committed(revision, list(changes))
    return history


@pytest.mark.parametrize("seed", [1, 2])
async def test_what_clients_were_told_is_one_history(cluster: StoreCluster, seed: int) -> None:
    random = Random(seed)
    recorder = Recorder(cluster, random, CLIENTS)
    is_over = asyncio.Event()
    everything = Listener(Watching("everything", b"\0", b"\0", next_revision=FIRST_REVISION))
    listeners = [
        everything,
        Listener(Watching("some", KEYS[0], END, prev_kv=True, next_revision=FIRST_REVISION)),
        Listener(Watching("one", KEYS[1], next_revision=FIRST_REVISION)),
    ]

    async def ask(client: int) -> None:
        while not is_over.is_set():
            await recorder.ask(client)

    async def during() -> None:
        wanted = recorder.asked_count + CALLS_DURING
        await until_async("more calls", lambda: recorder.asked_count >= wanted)

    async with AsyncExitStack() as stack:
        client, *others = [await stack.enter_async_context(client_of(cluster)) for _ in range(5)]
        ids = [(await client.status(endpoint)).header.member_id for endpoint in cluster.endpoints]
        lease_id = await grant_lease(client)
        faults = Faults(cluster, client, ids, random)
        listening = [asyncio.create_task(one.listen(others.pop())) for one in listeners]
        holding = asyncio.create_task(hold_lease(others.pop(), lease_id, is_over))
        asking = [asyncio.create_task(ask(number)) for number in range(CLIENTS)]
        for _ in range(FAULTS):
            await faults.one(during)
            wanted = recorder.answered_count + CALLS_BETWEEN
            await until_async("answers", lambda wanted=wanted: recorder.answered_count >= wanted)
        is_over.set()
        await asyncio.gather(*asking)
        renewed_at = await holding
        await all_equal(cluster, client)
        history = await history_of(cluster, (await client.range_(b"a")).header.revision)
        for one in listeners:
            await until_async("all events", lambda one=one: one.has_all(history))
        for task in listening:
            task.cancel()
        await asyncio.gather(*listening, return_exceptions=True)
    await recorder.close()
    recorder.check(history)
    guarantees = WatchGuarantees(history)
    for one in listeners:
        one.check(guarantees, history)
    check_lease(renewed_at, everything)
