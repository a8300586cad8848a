"""client-go's promises, one test each."""

import asyncio

import pytest
from prometheus_client import CollectorRegistry

from kube.client.workqueue import ShutDown, WorkQueue
from kube.client.workqueue_metrics import QueueMetrics
from tests.support.virtual_time import settle, virtual_time


@virtual_time
async def test_fair_keys_come_in_the_order_they_were_added() -> None:
    queue = WorkQueue()
    for key in ("b", "a", "c"):
        queue.add(key)
    assert [await queue.get() for _ in range(3)] == ["b", "a", "c"]


@virtual_time
async def test_stingy_a_key_added_twice_is_handed_out_once() -> None:
    queue = WorkQueue()
    queue.add("a")
    queue.add("a")
    assert await queue.get() == "a"
    assert len(queue) == 0


@virtual_time
async def test_one_at_a_time_a_key_added_meanwhile_waits_for_done() -> None:
    queue = WorkQueue()
    queue.add("a")
    await queue.get()
    queue.add("a")
    queue.add("a")
    assert len(queue) == 0, "a worker has it"
    queue.done("a")
    assert await queue.get() == "a"
    queue.done("a")
    assert len(queue) == 0


@virtual_time
async def test_shutdown_hands_out_the_rest_and_then_says_so() -> None:
    queue = WorkQueue()
    queue.add("a")
    queue.add_after("later", 5)
    queue.shut_down()
    queue.add("b")
    assert await queue.get() == "a"
    with pytest.raises(ShutDown):
        await queue.get()


@virtual_time
async def test_shutdown_wakes_all_who_wait() -> None:
    queue = WorkQueue()
    waiting = [asyncio.create_task(queue.get()) for _ in range(3)]
    await settle()
    queue.shut_down()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(each, ShutDown) for each in results)


@virtual_time
async def test_later_the_earliest_of_several_moments_counts() -> None:
    queue = WorkQueue()
    loop = asyncio.get_running_loop()
    queue.add_after("a", 10)
    queue.add_after("a", 3)
    queue.add_after("a", 7)
    assert await queue.get() == "a"
    assert loop.time() == pytest.approx(3)
    queue.done("a")
    await asyncio.sleep(20)
    assert len(queue) == 0


@virtual_time
async def test_rate_limited_delays_double_until_forgotten() -> None:
    queue = WorkQueue()
    loop = asyncio.get_running_loop()
    delays = []
    for _ in range(15):
        began = loop.time()
        queue.add_rate_limited("a")
        await queue.get()
        queue.done("a")
        delays.append(round(loop.time() - began, 3))
    assert delays[:5] == [0.005, 0.01, 0.02, 0.04, 0.08]
    assert delays[-1] == 30
    queue.forget("a")
    began = loop.time()
    queue.add_rate_limited("a")
    await queue.get()
    assert loop.time() - began == pytest.approx(0.005)


@virtual_time
async def test_a_cancelled_worker_passes_its_wake_up_on() -> None:
    queue = WorkQueue()
    first, second = asyncio.create_task(queue.get()), asyncio.create_task(queue.get())
    await settle()
    queue.add("a")
    first.cancel()
    assert await second == "a"


@virtual_time
async def test_metrics_tell_what_waits_how_long_and_what_came_back() -> None:
    registry = CollectorRegistry()
    loop = asyncio.get_running_loop()
    queue = WorkQueue("deployment", QueueMetrics(registry, loop.time))

    def said(metric: str) -> float | None:
        return registry.get_sample_value(f"workqueue_{metric}", {"name": "deployment"})

    for key in ("a", "b", "a"):
        queue.add(key)
    assert (said("depth"), said("adds_total")) == (2, 2)
    await asyncio.sleep(3)
    assert await queue.get() == "a"
    assert (said("depth"), said("queue_duration_seconds_count"), said("queue_duration_seconds_sum")) == (
        1,
        1,
        3,
    )
    await asyncio.sleep(5)
    assert await queue.get() == "b"
    await asyncio.sleep(1)
    assert (said("unfinished_work_seconds"), said("longest_running_processor_seconds")) == (7, 6)
    queue.add_rate_limited("a")
    queue.done("a")
    queue.done("b")
    assert (said("work_duration_seconds_count"), said("work_duration_seconds_sum")) == (2, 7)
    assert (said("unfinished_work_seconds"), said("longest_running_processor_seconds")) == (0, 0)
    assert said("retries_total") == 1
