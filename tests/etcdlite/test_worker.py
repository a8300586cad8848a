"""The thread that waits for the disk: order, errors, callers who give up, and its end."""

from __future__ import annotations

import asyncio
from threading import Event

import pytest

from etcdlite.worker import Worker


@pytest.fixture
def worker():
    worker = Worker("test")
    yield worker
    worker.stop()


async def test_work_is_done_in_order(worker):
    done: list[int] = []
    await asyncio.gather(*(worker.do(done.append, number) for number in range(100)))
    assert done == list(range(100))


async def test_an_error_is_raised_where_it_is_waited_for(worker):
    def fail() -> None:
        raise OSError("no space")

    with pytest.raises(OSError, match="no space"):
        await worker.do(fail)
    done: list[str] = []
    await worker.do(done.append, "afterwards")
    assert done == ["afterwards"]


async def test_a_caller_who_gives_up_stops_nothing(worker):
    gate, done = Event(), list[str]()
    first = asyncio.ensure_future(worker.do(gate.wait))
    second = asyncio.ensure_future(worker.do(done.append, "second"))
    await asyncio.sleep(0)
    second.cancel()
    gate.set()
    await first
    await worker.do(done.append, "third")
    assert second.cancelled()
    assert done == ["second", "third"]


async def test_the_end_waits_for_the_work():
    worker, gate, done = Worker("test"), Event(), list[str]()
    waiting = asyncio.ensure_future(worker.do(gate.wait))
    last = asyncio.ensure_future(worker.do(done.append, "last"))
    await asyncio.sleep(0)
    gate.set()
    worker.stop()
    assert done == ["last"]
    await asyncio.gather(waiting, last)


def test_a_worker_that_never_worked_ends():
    Worker("test").stop()
