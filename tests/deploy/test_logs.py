"""Several logs as one: the order of time, lines that belong together, what is new."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from deploy import logs
from deploy.errors import LaunchError
from deploy.layout import Layout
from tests.support.wait import until_async


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    (tmp_path / "logs").mkdir()
    return Layout(tmp_path, 6440, 0)


def write(layout: Layout, name: str, *lines: str) -> None:
    with layout.log(name).open("a") as log:
        log.writelines(f"{line}\n" for line in lines)


def test_lines_of_all_logs_come_in_the_order_of_time(layout: Layout) -> None:
    write(layout, "etcd-0", "time=10 msg=a", "time=30 msg=c")
    write(layout, "scheduler-0", "time=20 msg=b", "Traceback:", "  a line of it", "time=40 msg=d")
    assert list(logs.merged(logs.find(layout, []))) == [
        "etcd-0       time=10 msg=a",
        "scheduler-0  time=20 msg=b",
        "scheduler-0  Traceback:",
        "scheduler-0    a line of it",
        "etcd-0       time=30 msg=c",
        "scheduler-0  time=40 msg=d",
    ]


def test_the_last_lines_of_each_log(layout: Layout) -> None:
    write(layout, "a", "time=1 a", "time=2 b", "time=3 c")
    write(layout, "b", "time=1 d")
    assert list(logs.merged(logs.find(layout, []), 2)) == ["b  time=1 d", "a  time=2 b", "a  time=3 c"]
    # None at all: only what comes from now on.
    found = logs.find(layout, ["a"])
    assert list(logs.merged(found, 0)) == []
    write(layout, "a", "time=4 d")
    assert list(logs.merged(found)) == ["a  time=4 d"]


def test_half_a_line_waits_for_its_end(layout: Layout) -> None:
    found = [logs.Log("a", layout.log("a"))]
    layout.log("a").write_text("time=1 whole\ntime=2 ha")
    assert list(logs.merged(found)) == ["a  time=1 whole"]
    with layout.log("a").open("a") as log:
        log.write("lf\n")
    assert list(logs.merged(found)) == ["a  time=2 half"]


def test_a_log_that_starts_over_is_read_from_its_beginning(layout: Layout) -> None:
    write(layout, "a", "time=1 a long line of an earlier day")
    found = logs.find(layout, [])
    assert len(list(logs.merged(found))) == 1
    layout.log("a").write_text("time=2 new\n")
    assert list(logs.merged(found)) == ["a  time=2 new"]


async def test_followed_logs_tell_what_comes(layout: Layout) -> None:
    write(layout, "a", "time=1 old")
    found = logs.find(layout, [])
    list(logs.merged(found))
    said: list[str] = []
    following = asyncio.create_task(logs.follow(found, said.append))
    write(layout, "a", "time=2 new")
    await until_async("it is said", lambda: said)
    following.cancel()
    assert said == ["a  time=2 new"]


def test_a_name_without_a_log_is_refused(layout: Layout) -> None:
    write(layout, "etcd-0", "x")
    with pytest.raises(LaunchError, match=r"no log of etcd-9 in .*; there are those of: etcd-0"):
        logs.find(layout, ["etcd-9"])
