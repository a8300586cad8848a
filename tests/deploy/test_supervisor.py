"""The supervisor with its real nursery, and a stand-in for the components."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from deploy import claims, control, state, stop
from deploy.identity import Identity, identity_of
from deploy.layout import Layout
from deploy.processes import Process
from deploy.supervisor import Supervisor
from kube.base.clock import SystemClock
from tests.support.wait import until_async

pytestmark = pytest.mark.slow
PROJECT = Path(__file__).parents[2]


@pytest.fixture
def layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    # The nursery finds the stand-in among the tests.
    monkeypatch.setenv("PYTHONPATH", str(PROJECT))
    (tmp_path / "run").mkdir()
    return Layout(tmp_path, 6440, 0)


def component(name: str, *args: str, stage: int = 0) -> Process:
    return Process(name, "tests.support.component", args, (), "", stage)


@asynccontextmanager
async def supervising(layout: Layout, *processes: Process) -> AsyncIterator[Supervisor]:
    supervisor = Supervisor(layout, list(processes), control.listen(layout.run), None, SystemClock())
    running = asyncio.create_task(supervisor.run())
    try:
        names = {process.name for process in processes}
        await until_async(
            "all have started", lambda: running.done() or names <= set(state.load_running(layout.data_dir))
        )
        yield supervisor
    finally:
        supervisor.stop()
        await running


def alive(layout: Layout) -> dict[str, Identity]:
    """The living components, as the data dir has them written down."""
    running = state.load_running(layout.data_dir)
    return {n: i for n, i in running.items() if n not in ("supervisor", "nursery") and i.is_alive()}


def has_said(layout: Layout, name: str, times: int = 1) -> bool:
    """Whether the component has said so often that it heeds signals; its log comes a moment after it."""
    log = layout.log(name)
    return log.exists() and log.read_text().count("ready") == times


def is_other(layout: Layout, name: str, old: Identity) -> Callable[[], bool]:
    return lambda: alive(layout).get(name, old) != old


async def status_of(layout: Layout, name: str) -> dict[str, object]:
    answer = await control.ask(layout.run, "status")
    assert answer is not None
    return next(each for each in answer["processes"] if each["name"] == name)


async def has_failed(layout: Layout, name: str) -> bool:
    return (await status_of(layout, name))["lastExitCode"] == 1


async def test_what_ends_is_started_again(layout: Layout) -> None:
    async with supervising(layout, component("a"), component("b")):
        old = alive(layout)
        await until_async("it heeds signals", lambda: has_said(layout, "a"))
        os.kill(old["a"].pid, signal.SIGKILL)
        await until_async("a lives again", is_other(layout, "a", old["a"]))
        status = await status_of(layout, "a")
        assert (status["state"], status["restarts"], status["lastExitCode"]) == ("Running", 1, -9)
        assert alive(layout)["b"] == old["b"]
        killed = alive(layout)["a"]
        await until_async("it heeds signals", lambda: has_said(layout, "a", times=2))
        os.kill(killed.pid, signal.SIGTERM)
        await until_async("a lives a third time", is_other(layout, "a", killed))
        assert (await status_of(layout, "a"))["lastExitCode"] == 0


async def test_the_end_leaves_nothing(layout: Layout) -> None:
    async with supervising(layout, component("a"), component("b", stage=1)):
        everything = state.load_running(layout.data_dir)
    assert not layout.run.exists()
    others = [identity for name, identity in everything.items() if name != "supervisor"]
    assert not any(identity.is_alive() for identity in others)


async def test_a_process_that_ignores_the_polite_end_is_killed(layout: Layout) -> None:
    async with supervising(layout, component("a", "--stubborn")):
        stubborn = alive(layout)["a"]
    assert not stubborn.is_alive()


async def test_a_component_has_nothing_of_the_nursery_open(layout: Layout, tmp_path: Path) -> None:
    listing = tmp_path / "descriptors"
    async with supervising(layout, component("a"), component("b", f"--descriptors={listing}")):
        text = await until_async("the listing is written", lambda: listing.exists() and listing.read_text())
    assert sorted(set(text.split())) == ["/dev/null", str(layout.log("b"))]


async def test_its_output_goes_to_its_log(layout: Layout) -> None:
    async with supervising(layout, component("a"), component("b", "--fail=no such flag")):
        await until_async("it has ended", lambda: has_failed(layout, "b"))
    assert layout.log("b").read_text() == "error: no such flag\n"


async def test_a_lost_nursery_takes_nobody_with_it(layout: Layout) -> None:
    async with supervising(layout, component("a")):
        nursery = state.load_running(layout.data_dir)["nursery"]
        survivor = alive(layout)["a"]
        os.kill(nursery.pid, signal.SIGKILL)
        await until_async("the nursery is gone", lambda: not nursery.is_alive())
        assert survivor.is_alive()
        os.kill(survivor.pid, signal.SIGKILL)
        await until_async("a new nursery starts a again", is_other(layout, "a", survivor))


async def order(layout: Layout, *words: str) -> dict[str, object]:
    answer = await control.ask(layout.run, *words, seconds=30)
    assert answer is not None
    return answer


async def test_what_is_killed_stays_dead_until_it_is_started(layout: Layout) -> None:
    async with supervising(layout, component("a"), component("b")):
        old = alive(layout)
        assert await order(layout, "kill", "a") == {"done": {"a": old["a"].pid}, "refused": []}
        assert not old["a"].is_alive()
        status = await status_of(layout, "a")
        assert (status["state"], status["pid"], status["lastExitCode"]) == ("Killed", None, -9)
        assert await order(layout, "kill", "a") == {"done": {"a": 0}, "refused": []}
        # What ends by itself meanwhile is started again; the killed one is not.
        os.kill(old["b"].pid, signal.SIGKILL)
        await until_async("b lives again", is_other(layout, "b", old["b"]))
        assert (await status_of(layout, "a"))["state"] == "Killed"
        answer = await order(layout, "start", "a", "b")
        assert answer == {
            "done": {"a": alive(layout)["a"].pid},
            "refused": [f"b is running already (pid {alive(layout)['b'].pid})"],
        }


async def test_what_waits_to_be_restarted_can_be_killed_or_started(layout: Layout) -> None:
    async with supervising(layout, component("a", "--fail=again")):
        await until_async("it has failed", lambda: has_failed(layout, "a"))
        await until_async("it waits", lambda: is_in(layout, "a", "Restarting"))
        await order(layout, "kill", "a")
        restarts = (await status_of(layout, "a"))["restarts"]
        started = (await order(layout, "start", "a"))["done"]
        assert list(started) == ["a"]
        # It fails again at once, and is started again in its turn.
        assert (await status_of(layout, "a"))["restarts"] > restarts


async def is_in(layout: Layout, name: str, state: str) -> bool:
    return (await status_of(layout, name))["state"] == state


async def test_a_restart_is_polite_and_does_not_wait(layout: Layout) -> None:
    async with supervising(layout, component("a")):
        old = alive(layout)["a"]
        await until_async("it heeds signals", lambda: has_said(layout, "a"))
        answer = await order(layout, "restart", "a")
        assert answer == {"done": {"a": alive(layout)["a"].pid}, "refused": []}
        assert alive(layout)["a"] != old
        assert (await status_of(layout, "a"))["lastExitCode"] == 0


async def test_what_is_paused_stands_still_and_can_be_ended(layout: Layout) -> None:
    async with supervising(layout, component("a"), component("b")):
        old = alive(layout)
        await until_async("both heed signals", lambda: has_said(layout, "a") and has_said(layout, "b"))
        await order(layout, "pause", "a", "b")
        assert await is_in(layout, "a", "Paused")
        await order(layout, "resume", "a")
        assert await is_in(layout, "a", "Running")
        answer = await order(layout, "resume", "a")
        assert answer == {"done": {}, "refused": ["a is not paused"]}
        # A paused process is woken for its end, which is polite then.
        await order(layout, "restart", "b")
        assert alive(layout)["b"] != old["b"]
        assert (await status_of(layout, "b"))["lastExitCode"] == 0


async def test_orders_for_strangers_are_refused(layout: Layout) -> None:
    async with supervising(layout, component("a")):
        assert await order(layout, "kill", "c", "a") == {"error": "no process c; this cluster has a"}
        assert await order(layout, "dance") == {"error": "no such command: dance"}
        assert list(alive(layout)) == ["a"]


async def test_a_new_supervisor_adopts_what_runs(layout: Layout) -> None:
    orphan = await asyncio.create_subprocess_exec("sleep", "1000")
    identity = identity_of(orphan.pid)
    assert identity is not None
    state.save_running(layout.data_dir, {"a": identity})
    async with supervising(layout, component("a")):
        assert alive(layout)["a"] == identity
        orphan.kill()
        await orphan.wait()
        await until_async("a is started anew", is_other(layout, "a", identity))


async def test_without_a_supervisor_processes_are_ended_by_pid_and_start_time(layout: Layout) -> None:
    child = await asyncio.create_subprocess_exec("sleep", "1000")
    bystander = await asyncio.create_subprocess_exec("sleep", "1000")
    mine, other = identity_of(child.pid), identity_of(bystander.pid)
    assert mine is not None
    assert other is not None
    # The bystander has a pid that was ours once.
    state.save_running(layout.data_dir, {"a": mine, "b": Identity(other.pid, other.started - 1)})
    assert await stop.stop(layout.data_dir)
    assert await child.wait() == -signal.SIGTERM
    assert other.is_alive()
    bystander.kill()
    await bystander.wait()
    assert not layout.run.exists()


def test_a_data_dir_has_one_owner(tmp_path: Path) -> None:
    lock = claims.claim_data_dir(tmp_path)
    assert lock is not None
    assert claims.claim_data_dir(tmp_path) is None
    os.close(lock)
    again = claims.claim_data_dir(tmp_path)
    assert again is not None
    os.close(again)
