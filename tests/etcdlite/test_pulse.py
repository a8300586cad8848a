"""When a member counts as silent, in virtual time; and that a client then goes on at another one."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from etcdlite.client import Client, Unavailable
from etcdlite.pulse import LAG_SECONDS, QUIET_SECONDS, Pulse
from tests.support.store_cluster import StoreCluster
from tests.support.virtual_time import virtual_time
from tests.support.wait import until_async


class Patient:
    """A member that answers, `delay` seconds late, until second `until`; another one may answer, too.

    From then on it `complains` that it is cut off, or says nothing.
    """

    complains = False

    def __init__(self, until: float, delay: float = 0.0, others_delay: float | None = 0.1) -> None:
        self.until, self.delay, self.others_delay, self.asked = until, delay, others_delay, 0
        self.pulse = Pulse(self.ask, self.ask_others)

    async def ask(self) -> bool:
        self.asked += 1
        await asyncio.sleep(self.delay)
        if now() >= self.until and not self.complains:
            await asyncio.Event().wait()
        return now() < self.until

    async def ask_others(self) -> bool:
        await asyncio.sleep(self.others_delay or 0.0)
        return self.others_delay is not None

    async def wait(self) -> float:
        """Await an answer that never comes; when that was given up."""
        try:
            async with self.pulse.awaited():
                await asyncio.Event().wait()
        except TimeoutError:
            return now()
        raise AssertionError("an Event that nobody sets was set")

    async def is_left_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self.wait()
        except TimeoutError:
            return False
        return True


def now() -> float:
    return asyncio.get_running_loop().time()


@virtual_time
async def test_all_who_wait_leave_a_silent_member_while_another_answers() -> None:
    member = Patient(until=600)
    ended = await asyncio.gather(*(member.wait() for _ in range(20)))
    assert all(600 < each <= 600 + QUIET_SECONDS + LAG_SECONDS + 0.1 for each in ended)
    assert member.asked <= 600 / QUIET_SECONDS + 1, "one pulse for all of them"


@virtual_time
async def test_a_member_that_is_cut_off_is_left_only_for_one_that_is_not() -> None:
    cut_off = Patient(until=600)
    cut_off.complains = True
    assert 600 < await cut_off.wait() <= 600 + QUIET_SECONDS + LAG_SECONDS + 0.1
    alone = Patient(until=0, others_delay=None)
    alone.complains = True
    assert not await alone.is_left_within(100)


@virtual_time
async def test_who_is_slow_where_all_are_slow_is_not_left() -> None:
    assert not await Patient(until=1000, delay=1.8, others_delay=1.4).is_left_within(100)


@virtual_time
async def test_who_is_alone_is_not_left() -> None:
    assert not await Patient(until=0, others_delay=None).is_left_within(100)


@virtual_time
async def test_who_hears_something_asks_nothing() -> None:
    member = Patient(until=0)
    silent = asyncio.ensure_future(member.wait())
    for _ in range(100):
        async with member.pulse.awaited():
            await asyncio.sleep(QUIET_SECONDS / 2)
    assert member.asked == 0
    assert not silent.done(), "what one hears is a beat for all"
    await silent


@virtual_time
async def test_nobody_waits_and_nothing_is_asked() -> None:
    member = Patient(until=1000)
    assert not await member.is_left_within(QUIET_SECONDS / 2)
    await asyncio.sleep(100)
    assert member.asked == 0


@pytest.mark.slow
async def test_writes_and_watches_leave_a_paused_member_long_before_their_deadline(tmp_path: Path) -> None:
    with StoreCluster(tmp_path) as cluster:
        cluster.start()
        files = cluster.ca, cluster.cert, cluster.key
        async with Client(cluster.endpoints, *map(str, files), timeout=300) as client:
            await client.put(b"a", b"1")
            at, _ = client.current()
            async with client.watch(b"a") as watch:
                cluster.pause(at)
                with pytest.raises(Unavailable, match="silent"):
                    await client.put(b"a", b"2")
                assert client.current()[0] != at

                async def written() -> bool:
                    try:
                        await client.put(b"a", b"3")
                    except Unavailable:
                        return False
                    return True

                await until_async("another member takes the write", written)
                response = await anext(watch)
                assert response.events[-1].kv.value == b"3"
                cluster.resume(at)
