"""The loop: keys come back until a plan was carried out, and what was created is expected."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from random import Random
from typing import Any

from kube.api import errors
from kube.api.actions import Action, Create, RequeueAfter
from kube.api.resources import PODS
from kube.base.tasks import Tasks
from kube.client.workqueue import WorkQueue
from kube.controller.controller import Controller
from tests.support.virtual_time import LoopClock, virtual_time


class Reconciler:
    """Sees only the key; plans and fails as told."""

    def __init__(self, plan: Callable[[str, float], list[Action]]) -> None:
        self._plan = plan
        self.looks: list[tuple[str, float]] = []

    async def observe(self, key: str) -> str | None:
        self.looks.append((key, round(asyncio.get_running_loop().time(), 3)))
        return None if key == "gone" else key

    def plan(self, seen: str, _: datetime) -> list[Action]:
        return self._plan(seen, self.looks[-1][1])


class PodServer:
    """Creates whatever it is asked to, or refuses."""

    def __init__(self) -> None:
        self.created = 0
        self.refusal: Exception | None = None

    async def create(self, *_: Any) -> dict[str, Any]:
        if self.refusal is not None:
            raise self.refusal
        self.created += 1
        return {"metadata": {"name": f"p{self.created}"}}


def controller(reconciler: Reconciler, server: PodServer) -> Controller[str]:
    random = Random(1)
    return Controller("test", WorkQueue(), reconciler, server, None, LoopClock(), random, PODS)  # type: ignore[arg-type]


@virtual_time
async def test_a_failure_comes_back_later_and_later() -> None:
    def plan(_: str, now: float) -> list[Action]:
        if now < 0.05:
            raise errors.conflict(PODS, "a")
        return []

    reconciler = Reconciler(plan)
    loop = controller(reconciler, PodServer())
    async with Tasks() as tasks:
        loop.start(tasks, 1)
        loop.queue.add("a")
        await asyncio.sleep(60)
    assert [at for _, at in reconciler.looks] == [0.0, 0.005, 0.015, 0.035, 0.075]
    assert loop.queue.failures("a") == 0


@virtual_time
async def test_a_plan_may_ask_to_look_again() -> None:
    reconciler = Reconciler(lambda _, now: [RequeueAfter(10)] if now < 25 else [])
    loop = controller(reconciler, PodServer())
    async with Tasks() as tasks:
        loop.start(tasks, 3)
        loop.queue.add("a")
        await asyncio.sleep(100)
    assert [at for _, at in reconciler.looks] == [0.0, 10.0, 20.0, 30.0]


@virtual_time
async def test_what_is_created_is_expected_and_what_fails_is_not() -> None:
    server = PodServer()
    reconciler = Reconciler(lambda *_: [Create(PODS, {"metadata": {"name": "x"}})] * 3)
    loop = controller(reconciler, server)
    async with Tasks() as tasks:
        loop.start(tasks, 1)
        loop.queue.add("a")
        await asyncio.sleep(0.001)
        assert server.created == 3
        now = LoopClock().now()
        assert not loop.expectations.satisfied("a", now)
        for _ in range(3):
            loop.expectations.created("a")
        assert loop.expectations.satisfied("a", now)
        server.refusal = errors.forbidden(PODS, "x", "exceeded quota")
        loop.queue.add("a")
        await asyncio.sleep(0.001)
        assert loop.expectations.satisfied("a", now)
        assert loop.expectations.failure("a") == 'pods "x" is forbidden: exceeded quota'


@virtual_time
async def test_what_is_gone_is_forgotten() -> None:
    reconciler = Reconciler(lambda *_: [])
    loop = controller(reconciler, PodServer())
    loop.expectations.failed("gone", "quota")
    async with Tasks() as tasks:
        loop.start(tasks, 1)
        loop.queue.add("gone")
        await asyncio.sleep(1)
    assert loop.expectations.failure("gone") is None
    assert len(reconciler.looks) == 1
