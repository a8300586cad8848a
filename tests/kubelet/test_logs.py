"""Logs as files: read from their end, followed over their turning, and turned over."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from kubelet.container_logs import LogOptions, format_line
from kubelet.logs.changes import Changes
from kubelet.logs.reader import CHUNK_BYTES, read
from kubelet.logs.rotation import Policy, Rotation
from tests.kubelet.conftest import TestNode
from tests.support.wait import until_async

NOW = datetime(2030, 1, 1, tzinfo=UTC)


def line(text: str) -> str:
    return format_line(NOW, text)


def put(path: Path, *texts: str) -> None:
    with path.open("a") as file:
        file.write("".join(map(line, texts)))


@pytest.fixture
async def watched() -> AsyncIterator[Changes]:
    changes = Changes()
    yield changes
    changes.close()


class Follower:
    """A client that follows; what it got so far."""

    def __init__(self, path: Path, watched: Changes, is_running: Callable[[], bool], **options: int) -> None:
        self.text = ""
        self._changed = asyncio.Event()
        self._pieces = read(path, LogOptions(follow=True, **options), watched, is_running)
        self.task = asyncio.ensure_future(self._run())

    async def _run(self) -> None:
        async for piece in self._pieces:
            self.text += piece.decode()
            self._changed.set()

    async def until(self, text: str) -> None:
        while not self.text.endswith(text):
            self._changed.clear()
            await self._changed.wait()


async def text_of(path: Path, watched: Changes, **options: int) -> str:
    pieces = read(path, LogOptions(**options), watched, lambda: False)
    return b"".join([piece async for piece in pieces]).decode()


async def test_the_last_lines_of_a_long_log(tmp_path: Path, watched: Changes) -> None:
    path = tmp_path / "x.log"
    count = 3 * CHUNK_BYTES // len(line("100000"))
    put(path, *(str(100_000 + i) for i in range(count)))
    for wanted in (0, 1, 2, 1000, count // 2, count - 1, count, count + 1):
        text = await text_of(path, watched, tail_lines=wanted)
        assert text.split() == [str(100_000 + i) for i in range(max(count - wanted, 0), count)], wanted


async def test_a_line_still_being_written_is_left_for_later(tmp_path: Path, watched: Changes) -> None:
    path = tmp_path / "x.log"
    assert await text_of(path, watched) == ""
    put(path, "one")
    with path.open("a") as file:
        file.write(line("two")[:-3])
    assert await text_of(path, watched) == "one\n"
    assert await text_of(path, watched, tail_lines=1) == "one\n"


async def test_a_follower_goes_on_in_the_next_file(tmp_path: Path, watched: Changes) -> None:
    path, running = tmp_path / "x.log", [True]
    follower = Follower(path, watched, lambda: running[0])
    for i in range(3):
        put(path, f"a{i}")
        await follower.until(f"a{i}\n")
        put(path, f"b{i}")
        path.rename(tmp_path / f"x.log.{i}")
        put(path, f"c{i}")
        await follower.until(f"a{i}\nb{i}\nc{i}\n")
    running[0] = False
    await follower.task


async def test_a_limit_ends_the_following(tmp_path: Path, watched: Changes) -> None:
    path = tmp_path / "x.log"
    follower = Follower(path, watched, lambda: True, limit_bytes=6)
    put(path, "one")
    await follower.until("one\n")
    put(path, "two")
    await follower.task
    assert follower.text == "one\ntw"


async def test_many_follow_one_log(tmp_path: Path, watched: Changes) -> None:
    path, running = tmp_path / "x.log", [True]
    followers = [Follower(path, watched, lambda: running[0]) for _ in range(100)]
    put(path, "one")
    await asyncio.gather(*(each.until("one\n") for each in followers))
    running[0] = False
    put(path, "two")
    await asyncio.gather(*(each.task for each in followers))
    assert {each.text for each in followers} == {"one\ntwo\n"}


class SetClock:
    def __init__(self) -> None:
        self.at = NOW

    def now(self) -> datetime:
        return self.at


async def test_a_long_log_is_turned_over(node: TestNode) -> None:
    pod = await node.create("p")
    await node.wait("p", "Running")
    (container,) = node.runtime.containers_of(pod["metadata"]["uid"])
    path, clock = node.runtime.log_path(container.id), SetClock()
    rotation = Rotation(node.runtime, clock, Policy(max_bytes=100, max_files=3))
    for i in range(4):
        node.runtime.print_line(container.id, "short")
        await rotation.look()
        node.runtime.print_line(container.id, "x" * 100 + str(i))
        await rotation.look()
        clock.at += timedelta(seconds=1)
    names = [f"{path.name}.20300101-000002.gz", f"{path.name}.20300101-000003"]
    assert sorted(each.name for each in path.parent.glob(f"{path.name}*")) == names
    assert gzip.decompress((path.parent / names[0]).read_bytes()).count(b"x2\n") == 1
    await node.delete("p", gracePeriodSeconds=0)
    await node.wait_gone("p")
    await until_async("nothing of it is left", lambda: not node.runtime.list_sandboxes())
    await rotation.look()
    assert list(path.parent.glob(f"{path.name}*")) == []
