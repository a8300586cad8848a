"""A client in a tight loop does not keep the scheduler or a kubelet from the server.

One user writes over many connections as fast as he is answered, over a store that writes one thing after the
other, when the test says so. A node and the scheduler write beside him. What counts is the order in which the
store is asked: how many of the user's writes come before one of the node's. Without priority and fairness
these are all his connections; with it no more than the seats that he may have.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp

from apiserver.main import Flags
from tests.support.api_server import Answer, Api, fresh, serving
from tests.support.memory_storage import MemoryStorage

CONNECTIONS = 80
ROUNDS = 4
SEATS = 20
SPACE = "/api/v1/namespaces/default"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
LOOP = {"Impersonate_User": "alice"}
SCHEDULER = {"Impersonate_User": "system:kube-scheduler"}


class Stepped(MemoryStorage):
    """Makes one object after the other, each when it is told to; `asked` are those not yet made, by whom."""

    def __init__(self) -> None:
        super().__init__(fresh)
        self.asked: deque[tuple[str, asyncio.Future[None]]] = deque()
        self._asked_for = asyncio.Event()

    async def create(self, key: str, value: bytes, ttl_seconds: int = 0) -> int:
        who, _, number = key.rpartition("/")[2].partition("-")
        if number:
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self.asked.append((who, turn))
            self._asked_for.set()
            await turn
        return await super().create(key, value, ttl_seconds)

    def count(self, who: str) -> int:
        return sum(each == who for each, _ in self.asked)

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Until what is asked is as it should be."""
        while not is_so():
            self._asked_for.clear()
            await self._asked_for.wait()

    def make_next(self) -> str:
        """Make the oldest; whose it was."""
        who, turn = self.asked.popleft()
        # Whoever has left meanwhile waits for nothing.
        if not turn.done():
            turn.set_result(None)
        return who


@asynccontextmanager
async def crowded(*, is_fair: bool) -> AsyncIterator[tuple[Api, Stepped, list[int]]]:
    """A server with a client in a tight loop, and the codes of his answers."""
    async with serving():
        storage = Stepped()
    flags = Flags(
        enable_priority_and_fairness=is_fair, max_requests_inflight=SEATS, max_mutating_requests_inflight=0
    )
    connector = aiohttp.TCPConnector(limit=0)
    async with serving(storage, flags=flags) as api, aiohttp.ClientSession(connector=connector) as session:
        await allow(api)
        many = Api(api.server, session, api.base)
        codes: list[int] = []

        async def loop() -> None:
            while True:
                made = {"metadata": {"generateName": "loop-"}}
                codes.append((await many("POST", f"{SPACE}/configmaps", made, **LOOP)).code)

        tasks = [asyncio.create_task(loop()) for _ in range(CONNECTIONS)]
        try:
            yield many, storage, codes
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            while storage.asked:
                storage.make_next()


async def allow(api: Api) -> None:
    subject = {"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "alice"}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit"}
    binding = {"metadata": {"name": "alice"}, "subjects": [subject], "roleRef": role}
    await api.ok("POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", binding)
    await api.server.cache.consistent()


async def renew(api: Api, number: int) -> Answer:
    """A Lease is its node's alone."""
    name = f"node-{number}"
    user = {"Impersonate_User": f"system:node:{name}", "Impersonate_Group": "system:nodes"}
    return await api("POST", LEASES, {"metadata": {"name": name}, "spec": {"holderIdentity": name}}, **user)


async def schedule(api: Api, number: int) -> Answer:
    about = {"kind": "Pod", "namespace": "default", "name": "p"}
    event = {"metadata": {"name": f"scheduler-{number}"}, "involvedObject": about, "reason": "Scheduled"}
    return await api("POST", f"{SPACE}/events", event, **SCHEDULER)


WORK: dict[str, Callable[[Api, int], Awaitable[Answer]]] = {"node": renew, "scheduler": schedule}


async def one_round(api: Api, storage: Stepped, number: int, crowd: int) -> dict[str, int]:
    """While so many of the loop are before the store, one of each other: how many of the loop come first."""
    await storage.until(lambda: storage.count("loop") >= crowd)
    answers = [asyncio.ensure_future(do(api, number)) for do in WORK.values()]
    await storage.until(lambda: all(storage.count(who) for who in WORK))
    order: list[str] = []
    while not set(WORK) <= set(order):
        order.append(storage.make_next())
    assert [(await answer).code for answer in answers] == [201, 201]
    return {who: order[: order.index(who)].count("loop") for who in WORK}


def seats_of(api: Api, level: str) -> int:
    """The most that a level may have while no other level uses anything."""

    def figure(name: str, priority_level: str) -> int:
        labels = {"priority_level": priority_level}
        value = api.server.metrics.registry.get_sample_value(
            f"apiserver_flowcontrol_{name}_limit_seats", labels
        )
        assert value is not None
        return int(value)

    levels = ("catch-all", "leader-election", "node-high", "system", "workload-high", "workload-low", level)
    return sum(figure("nominal", each) for each in levels) - sum(
        figure("lower", each) for each in levels[:-1]
    )


async def test_a_tight_loop_keeps_nobody_from_the_server() -> None:
    async with crowded(is_fair=True) as (api, storage, codes):
        await storage.until(lambda: storage.count("loop") > 0)
        seats = seats_of(api, "global-default")
        assert seats < SEATS
        for number in range(ROUNDS):
            before = await one_round(api, storage, number, seats)
            assert before == {"node": seats, "scheduler": seats}
        # He waits for himself, and is served in the end.
        while len(codes) < 2 * CONNECTIONS:
            await storage.until(lambda: bool(storage.asked))
            storage.make_next()
    assert set(codes) == {201}


async def test_without_fairness_everybody_waits_for_the_whole_loop() -> None:
    async with crowded(is_fair=False) as (api, storage, _):
        for number in range(ROUNDS):
            before = await one_round(api, storage, number, CONNECTIONS)
            assert before == {"node": CONNECTIONS, "scheduler": CONNECTIONS}
