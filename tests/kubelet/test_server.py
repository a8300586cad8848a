"""The kubelet's port: logs, pods and forwarded connections, without the TLS that main puts around them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from prometheus_client import CollectorRegistry

from kube.base.clock import SystemClock
from kubelet import metrics
from kubelet.server import PORT_FORWARD_PROTOCOL, KubeletServer
from tests.kubelet.conftest import TestNode
from tests.kubelet.test_spdy import Client, control, data


class Port:
    """The server of a node, asked over HTTP."""

    def __init__(self, base: str, session: aiohttp.ClientSession) -> None:
        self.base, self.session = base, session

    async def get(self, path: str) -> tuple[int, str]:
        async with self.session.get(self.base + path) as answer:
            return answer.status, await answer.text()


@pytest.fixture
async def port(node: TestNode) -> AsyncIterator[Port]:
    registry = CollectorRegistry()
    metrics.register(registry, node.runtime)
    server = KubeletServer(
        "127.0.0.1",
        0,
        None,
        {"pods": lambda: None if node.kubelet.pods.has_synced else "not listed"},
        registry,
        node.kubelet.pods.store,
        node.runtime,
        SystemClock(),
    )
    await server.start()
    async with aiohttp.ClientSession() as session:
        yield Port(f"http://127.0.0.1:{server.port}", session)
    await server.stop()


def _values(answer: tuple[int, str]) -> str:
    return "\n".join(line for line in answer[1].splitlines() if not line.startswith("#"))


async def test_pods_and_health(node: TestNode, port: Port) -> None:
    await node.create("p")
    await node.wait("p", "Running")
    assert await port.get("/healthz") == (200, "ok")
    assert "kubelet_running_pods 1.0\nkubelet_running_containers 1.0" in _values(await port.get("/metrics"))
    code, text = await port.get("/pods")
    assert code == 200
    assert '"name":"p"' in text


async def test_logs_are_what_the_container_printed(node: TestNode, port: Port) -> None:
    await node.create("p", "once", restartPolicy="Never")
    await node.wait("p", "Succeeded")
    assert await port.get("/containerLogs/default/p/c") == (200, "done\n")
    assert await port.get("/containerLogs/default/p/c?tailLines=0") == (200, "")
    assert await port.get("/containerLogs/default/p/c?follow=true") == (200, "done\n")


async def test_logs_that_are_not_there(node: TestNode, port: Port) -> None:
    await node.create("p")
    await node.wait("p", "Running")
    assert await port.get("/containerLogs/default/nosuch/c") == (404, 'pod "default/nosuch" does not exist')
    code, text = await port.get("/containerLogs/default/p/x")
    assert (code, text) == (404, 'container "x" in pod "p" is not available')
    code, text = await port.get("/containerLogs/default/p/c?previous=true")
    assert (code, text) == (400, 'previous terminated container "c" in pod "p" not found')
    assert (await port.get("/containerLogs/default/p/c?tailLines=x"))[0] == 400


async def test_a_followed_log_ends_with_its_container(node: TestNode, port: Port) -> None:
    await node.create("p")
    pod = await node.wait("p", "Running")
    following = asyncio.ensure_future(port.get("/containerLogs/default/p/c?follow=true"))
    (container,) = node.runtime.containers_of(pod["metadata"]["uid"])
    node.runtime.print_line(container.id, "hello")
    await node.delete("p")
    assert await following == (200, "hello\n")


async def answer_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"welcome")
    writer.close()


async def test_ports_are_forwarded_through_a_websocket(node: TestNode, port: Port) -> None:
    await node.create("p")
    pod = await node.wait("p", "Running")
    pod_server = await asyncio.start_server(answer_once, pod["status"]["podIP"], 0)
    number = str(pod_server.sockets[0].getsockname()[1])
    client = Client()
    url = f"{port.base}/portForward/default/p"
    async with port.session.ws_connect(url, protocols=[PORT_FORWARD_PROTOCOL]) as socket:
        assert socket.protocol == PORT_FORWARD_PROTOCOL
        headers: dict[str, Any] = {"port": number, "requestid": "0"}
        await socket.send_bytes(client.open(1, {"streamtype": "error", **headers}))
        await socket.send_bytes(client.open(3, {"streamtype": "data", **headers}) + data(3, b"", fin=True))
        while client.finished != {1, 3}:
            await client.take(await socket.receive_bytes())
        await socket.send_bytes(control(7, bytes(8)))
    assert client.received == {1: b"", 3: b"welcome"}
    pod_server.close()
    await pod_server.wait_closed()
