"""When a server counts as dead, in virtual time; and that a client then goes on at another one."""

import asyncio
from contextlib import aclosing

import pytest

from kube.api.resources import PODS
from kube.client.pulse import ANSWER_SECONDS, LAG_SECONDS, QUIET_SECONDS, Pulse
from kube.client.rest import Client, ConnectionFailed
from tests.support.certificates import Authority
from tests.support.virtual_time import virtual_time
from tests.support.wire import Answer, ScriptedServer, answer, config, line, pod, stream


class Patient:
    """A server that lives until second `until`, and how often it was asked.

    It takes `delay` seconds to answer, and another server, if there is one, `others_delay`.
    """

    def __init__(self, until: float, delay: float = 0.0, others_delay: float | None = None) -> None:
        self.until, self.delay, self.others_delay, self.asked = until, delay, others_delay, 0
        self.pulse = Pulse(self.ask, self.ask_others)

    async def ask(self) -> bool:
        self.asked += 1
        await asyncio.sleep(self.delay)
        if now() >= self.until:
            await asyncio.Event().wait()
        return True

    async def ask_others(self) -> bool:
        if self.others_delay is None:
            return False
        await asyncio.sleep(self.others_delay)
        return True

    async def wait(self, seconds: float | None = None) -> float:
        """Await an answer that never comes; when that was given up."""
        try:
            async with self.pulse.awaited(seconds):
                await asyncio.Event().wait()
        except TimeoutError:
            return now()
        raise AssertionError("an Event that nobody sets was set")


def now() -> float:
    return asyncio.get_running_loop().time()


@virtual_time
async def test_all_who_wait_are_told_soon_after_the_server_died() -> None:
    server = Patient(until=600)
    ended = await asyncio.gather(*(server.wait() for _ in range(20)))
    assert all(600 < each <= 600 + QUIET_SECONDS + ANSWER_SECONDS for each in ended)
    assert server.asked <= 600 / QUIET_SECONDS + 1, "one pulse for all of them"


@virtual_time
async def test_who_hears_something_asks_nothing() -> None:
    server = Patient(until=0)
    silent = asyncio.ensure_future(server.wait())
    for _ in range(100):
        async with server.pulse.awaited(None):
            await asyncio.sleep(QUIET_SECONDS / 2)
    assert server.asked == 0
    assert not silent.done(), "what one hears is a beat for all"
    await silent


@virtual_time
async def test_a_deadline_holds_while_the_server_lives() -> None:
    server = Patient(until=1000)
    assert await server.wait(30) == 30


@virtual_time
async def test_nobody_waits_and_nothing_is_asked() -> None:
    server = Patient(until=1000)
    await server.wait(QUIET_SECONDS / 2)
    await asyncio.sleep(100)
    assert server.asked == 0


@virtual_time
async def test_after_a_death_it_may_live_again() -> None:
    server = Patient(until=0)
    await server.wait()
    server.until = now() + 100
    assert await server.wait(50) == QUIET_SECONDS + ANSWER_SECONDS + 50


@virtual_time
async def test_where_another_answers_a_silent_server_is_left_sooner() -> None:
    server = Patient(until=0, others_delay=0.1)
    assert await server.wait() == QUIET_SECONDS + LAG_SECONDS + 0.1


@virtual_time
async def test_who_is_slow_where_all_are_slow_is_not_left() -> None:
    for others_delay in (None, 1.4):
        server = Patient(until=1000, delay=1.8, others_delay=others_delay)
        began = now()
        assert await server.wait(30) == began + 30


@virtual_time
async def test_what_is_heard_while_the_answer_is_awaited_counts() -> None:
    server = Patient(until=0)
    silent = asyncio.ensure_future(server.wait())
    async with server.pulse.awaited(None):
        await asyncio.sleep(QUIET_SECONDS + 1)
    assert await silent >= QUIET_SECONDS + 1 + QUIET_SECONDS


@pytest.mark.slow
async def test_a_read_leaves_a_paused_server_long_before_its_deadline(authority: Authority) -> None:
    first = ScriptedServer(authority, paused(), paused())
    second = ScriptedServer(authority, *[answer(pod("a", "4"))] * 3)
    async with first, second:
        client = Client(config(authority, first.url, second.url))
        for _ in range(2):
            await client.get(PODS, "default", "a")
        await client.close()
    assert [each.path for each in first.requests] == ["/api/v1/namespaces/default/pods/a", "/version"]
    got = "/api/v1/namespaces/default/pods/a"
    assert [each.path for each in second.requests] == ["/version", got, got], "the second stays preferred"


def paused(*chunks: str) -> Answer:
    """Say something, and then no more."""
    return stream(*chunks, after=asyncio.Event().wait)


@pytest.mark.slow
async def test_a_watch_leaves_a_paused_server_and_requests_follow(authority: Authority) -> None:
    # The second answer is the pulse's: none.
    first = ScriptedServer(authority, paused(line("ADDED", "a", "4")), paused())
    second = ScriptedServer(authority, *[answer(pod("a", "4"))] * 2)
    async with first, second:
        client = Client(config(authority, first.url, second.url))
        events = client.watch(PODS, resource_version="3")
        async with aclosing(events):  # type: ignore[type-var]
            assert (await anext(events)).type == "ADDED"
            with pytest.raises(ConnectionFailed):
                await anext(events)
        await client.get(PODS, "default", "a")
        await client.close()
    assert [each.path for each in first.requests] == ["/api/v1/pods", "/version"]
    assert [each.path for each in second.requests] == ["/version", "/api/v1/namespaces/default/pods/a"]
