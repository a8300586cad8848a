"""pods/log through a real API server to a real kubelet: what comes, and in which words it is refused."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from kubelet.server.server import KubeletServer
from tests.kubelet.conftest import TestNode
from tests.kubelet.test_exec_through_api import PODS, kubelet
from tests.support.wait import until_async

__all__ = ["kubelet"]


@pytest.fixture
async def pod(node: TestNode, kubelet: KubeletServer) -> Any:
    await node.create("p")
    return await node.wait("p", "Running")


async def log(node: TestNode, query: str, name: str = "p") -> tuple[int, str]:
    answer = await node.api("GET", f"{PODS}/{name}/log?{query}")
    return answer.code, answer.body.decode() if answer.code == 200 else answer.json["message"]


async def test_lines_as_they_are_wanted(node: TestNode, pod: Any) -> None:
    (container,) = node.runtime.containers_of(pod["metadata"]["uid"])
    for text in ("one", "two", "three"):
        node.runtime.print_line(container.id, text)
    assert await log(node, "") == (200, "one\ntwo\nthree\n")
    assert await log(node, "tailLines=2&limitBytes=6") == (200, "two\nth")
    assert await log(node, "stream=Stderr") == (200, "")
    following = asyncio.ensure_future(log(node, "follow=true&limitBytes=16"))
    node.runtime.print_line(container.id, "four")
    assert await following == (200, "one\ntwo\nthree\nfo")


async def test_options_that_cannot_be(node: TestNode, pod: Any) -> None:
    start = 'PodLogOptions "p" is invalid: '
    for query, code, message in (
        ("tailLines=-1", 422, 'tailLines: Invalid value: "-1": must be greater than or equal to 0'),
        ("limitBytes=0", 422, 'limitBytes: Invalid value: "0": must be greater than 0'),
        ("sinceSeconds=0", 422, 'sinceSeconds: Invalid value: "0": must be greater than 0'),
        ("stream=x", 422, 'stream: Unsupported value: "x": supported values: "All", "Stderr", "Stdout"'),
    ):
        text = message.replace('"-1"', "-1").replace('"0"', "0")
        assert await log(node, query) == (code, start + text)
    assert (await log(node, "sinceSeconds=1&sinceTime=2030-01-01T00:00:00Z"))[0] == 422
    assert (await log(node, "tailLines=1&stream=Stdout"))[0] == 422
    assert await log(node, "tailLines=x") == (400, 'strconv.ParseInt: parsing "x": invalid syntax')


async def test_why_there_is_no_log(node: TestNode, pod: Any) -> None:
    text = 'previous terminated container "c" in pod "p" not found'
    assert await log(node, "previous=true") == (400, text)
    assert await log(node, "container=x") == (400, "container x is not valid for pod p")
    containers = [{"name": each, "image": "run"} for each in "ab"]
    await node.create("two", initContainers=[{"name": "i", "image": "run"}], containers=containers)
    must = "a container name must be specified for pod two, choose one of: "
    choice = f"{must}[a b] or one of the init containers: [i]"
    assert await log(node, "", "two") == (400, choice)

    async def waits() -> tuple[int, str] | None:
        code, message = await log(node, "container=a", "two")
        return (code, message) if "waiting" in message else None

    waiting = 'container "a" in pod "two" is waiting to start: PodInitializing'
    assert await until_async("a container waits", waits) == (400, waiting)


async def test_what_crashed_can_be_read(node: TestNode, kubelet: KubeletServer) -> None:
    """While it waits for its next try, its last one is both the log and the previous one."""
    created = await node.create("crashing", "crash")

    async def waits() -> bool:
        statuses = (await node.get("crashing"))["status"].get("containerStatuses")
        return bool(statuses and "waiting" in statuses[0]["state"] and statuses[0].get("lastState"))

    await until_async("it waits", waits)
    container = node.runtime.containers_of(created["metadata"]["uid"])[-1]
    assert container.is_exited
    node.runtime.print_line(container.id, "last words")
    assert await log(node, "", "crashing") == (200, "last words\n")
    assert await log(node, "previous=true", "crashing") == (200, "last words\n")
