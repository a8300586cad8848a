"""The kubelet's port: logs, commands and forwarded connections, without the TLS around them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import aiohttp
import pytest
from prometheus_client import CollectorRegistry

from kube.base.clock import SystemClock
from kubelet import metrics
from kubelet.server.port_forward import PROTOCOL
from kubelet.server.served import Served
from kubelet.server.server import KubeletServer
from kubelet.streaming import presence
from tests.kubelet.conftest import TestNode
from tests.kubelet.test_spdy import Client, control, data
from tests.support.wait import until_async


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
        Served(node.kubelet.pods.store, node.runtime, SystemClock()),
        None,
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


async def test_what_runs_and_a_command_to_its_end(node: TestNode, port: Port) -> None:
    await node.create("p")
    pod = await node.wait("p", "Running")
    code, text = await port.get("/runningpods/")
    (found,) = json.loads(text)["items"]
    assert (code, found["metadata"]["uid"]) == (200, pod["metadata"]["uid"])
    assert [each["name"] for each in found["spec"]["containers"]] == ["c"]

    async def run(words: str) -> tuple[int, str]:
        async with port.session.post(f"{port.base}/run/default/p/c", params={"cmd": words}) as answer:
            return answer.status, await answer.text()

    assert await run("hostname") == (200, "p\n")
    assert await run("false") == (500, "command 'false' exited with 1: ")


async def test_logs_are_what_the_container_printed(node: TestNode, port: Port) -> None:
    await node.create("p", "once", restartPolicy="Never")
    await node.wait("p", "Succeeded")
    assert await port.get("/containerLogs/default/p/c") == (200, "done\n")
    assert await port.get("/containerLogs/default/p/c?tailLines=0") == (200, "")
    assert await port.get("/containerLogs/default/p/c?follow=true") == (200, "done\n")


async def test_logs_that_are_not_there(node: TestNode, port: Port) -> None:
    await node.create("p")
    await node.wait("p", "Running")
    assert await port.get("/containerLogs/default/nosuch/c") == (404, 'pod "nosuch" does not exist')
    code, text = await port.get("/containerLogs/default/p/x")
    assert (code, text) == (404, 'container "x" not found in pod "p"')
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
    async with port.session.ws_connect(url, protocols=[PROTOCOL]) as socket:
        assert socket.protocol == PROTOCOL
        headers: dict[str, Any] = {"port": number, "requestid": "0"}
        await socket.send_bytes(client.open(1, {"streamtype": "error", **headers}))
        await socket.send_bytes(client.open(3, {"streamtype": "data", **headers}) + data(3, b"", fin=True))
        while client.finished != {1, 3}:
            await client.take(await socket.receive_bytes())
        await socket.send_bytes(control(7, bytes(8)))
    assert client.received == {1: b"", 3: b"welcome"}
    pod_server.close()
    await pod_server.wait_closed()


class Command:
    """A client's half of exec and attach."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.channels: dict[int, bytes] = {}

    async def send(self, channel: int, data: bytes) -> None:
        await self.socket.send_bytes(bytes([channel]) + data)

    async def receive(self) -> bool:
        """Take a message; False at the end."""
        message = await self.socket.receive()
        if message.type is not aiohttp.WSMsgType.BINARY:
            return False
        channel, data = message.data[0], message.data[1:]
        self.channels[channel] = self.channels.get(channel, b"") + data
        return True

    async def finish(self) -> Any:
        """The Status at the end."""
        while await self.receive():
            pass
        assert self.socket.close_code == 1000
        return json.loads(self.channels[3])


@asynccontextmanager
async def command(port: Port, path: str, protocol: str = "v5.channel.k8s.io") -> AsyncIterator[Command]:
    async with port.session.ws_connect(port.base + path, protocols=[protocol]) as socket:
        assert socket.protocol == protocol
        yield Command(socket)


def is_waited_for(name: str) -> bool:
    """Whether some task is in a coroutine of that name."""
    for task in asyncio.all_tasks():
        coroutine: Any = task.get_coro()
        while coroutine is not None:
            if getattr(coroutine, "__qualname__", "") == name:
                return True
            coroutine = getattr(coroutine, "cr_await", None)
    return False


SUCCESS = {"metadata": {}, "status": "Success"}
ALL = "input=1&output=1&error=1"


@pytest.fixture
async def pod(node: TestNode) -> Any:
    await node.create("p")
    return await node.wait("p", "Running")


async def test_a_command_reads_until_its_input_ends(pod: Any, port: Port) -> None:
    path = f"/exec/default/p/{pod['metadata']['uid']}/c?command=cat&{ALL}"
    async with command(port, path) as client:
        await client.send(0, b"hello ")
        await client.send(0, b"there")
        await client.send(255, b"\0")
        assert await client.finish() == SUCCESS
    assert client.channels[1] == b"hello there"
    assert 2 not in client.channels


async def test_megabytes_come_back_as_they_went(pod: Any, port: Port) -> None:
    chunk, count = bytes(range(256)) * 128, 200
    async with command(port, f"/exec/default/p/c?command=cat&{ALL}") as client:

        async def send() -> None:
            for _ in range(count):
                await client.send(0, chunk)
            await client.send(255, b"\0")

        sending = asyncio.ensure_future(send())
        assert await client.finish() == SUCCESS
        await sending
    assert client.channels[1] == chunk * count


async def test_a_command_says_how_it_ended(pod: Any, port: Port) -> None:
    script = "command=sh&command=-c&command=echo out; echo err >%262; exit 3"
    async with command(port, f"/exec/default/p/c?{script}&output=1&error=1", "v4.channel.k8s.io") as client:
        assert await client.finish() == {
            "metadata": {},
            "status": "Failure",
            "reason": "NonZeroExitCode",
            "message": "command terminated with non-zero exit code: command terminated with exit code 3",
            "details": {"causes": [{"reason": "ExitCode", "message": "3"}]},
        }
    assert (client.channels[1], client.channels[2]) == (b"out\n", b"err\n")


async def test_a_command_that_is_not_there(pod: Any, port: Port) -> None:
    async with command(port, "/exec/default/p/c?command=xyz&output=1") as client:
        status = await client.finish()
    assert (status["reason"], status["code"]) == ("InternalError", 500)
    start = "Internal error occurred: error executing command in container: failed to exec in container: "
    assert status["message"].startswith(start)
    assert status["message"].endswith('exec: "xyz": executable file not found in $PATH: unknown')


async def test_a_terminal_is_told_its_size(pod: Any, port: Port) -> None:
    async with command(port, "/exec/default/p/c?command=sh&input=1&output=1&tty=1") as client:
        await client.send(4, b'{"Width":132,"Height":43}')
        await client.send(4, b"nonsense")
        await client.send(0, b"stty size; exit\r")
        assert await client.finish() == SUCCESS
    assert b"43 132\r\n" in client.channels[1]


async def test_a_client_that_leaves_ends_its_command(pod: Any, port: Port, node: TestNode) -> None:
    async with command(port, f"/exec/default/p/c?command=cat&{ALL}") as client:
        await client.send(0, b"x")
        assert await client.receive()
        assert is_waited_for("Session.run")
    await until_async("the command is no more", lambda: not is_waited_for("Session.run"))


async def test_who_leaves_with_much_unread_ends_the_command_as_well(
    pod: Any, port: Port, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence, "PING_SECONDS", 0.05)
    async with aiohttp.ClientSession() as session:
        url = f"{port.base}/exec/default/p/c?command=sleep&command=1000&{ALL}"
        async with session.ws_connect(url, protocols=["v5.channel.k8s.io"]) as socket:

            async def send() -> None:
                while True:
                    await socket.send_bytes(bytes(1 << 16))

            sending = asyncio.ensure_future(send())
            await until_async("the client has to wait", lambda: is_waited_for("Queue.put"))
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            cast(Any, socket)._writer.transport.abort()
    await until_async("the command is no more", lambda: not is_waited_for("Session.run"))


async def test_a_client_that_leaves_ends_the_following_of_a_log(pod: Any, port: Port) -> None:
    async with port.session.get(f"{port.base}/containerLogs/default/p/c?follow=true"):
        assert is_waited_for("_send")
    await until_async("nobody follows any more", lambda: not is_waited_for("_send"))


async def test_an_ending_container_takes_the_command_with_it(pod: Any, port: Port, node: TestNode) -> None:
    async with command(port, "/exec/default/p/c?command=sleep&command=1000&output=1") as client:
        await node.delete("p", gracePeriodSeconds=0)
        assert (await client.finish())["details"]["causes"][0]["message"] == "137"


async def test_attached_one_sees_what_comes_until_the_end(pod: Any, port: Port, node: TestNode) -> None:
    (container,) = node.runtime.containers_of(pod["metadata"]["uid"])
    node.runtime.print_line(container.id, "before")
    async with command(port, "/attach/default/p/c?output=1") as client:
        while 1 not in client.channels:
            node.runtime.print_line(container.id, "after")
            await client.receive()
        await node.delete("p")
        assert await client.finish() == SUCCESS
    assert set(client.channels[1].split()) == {b"after"}


async def test_commands_that_cannot_be(pod: Any, port: Port) -> None:
    for path, refusal in (
        ("/exec/default/nosuch/c?command=ls&output=1", (404, 'pod "nosuch" does not exist')),
        ("/exec/default/p/x?command=ls&output=1", (404, 'container not found ("x")')),
        ("/exec/default/p/other-uid/c?command=ls&output=1", (404, 'container not found ("c")')),
        ("/exec/default/p/c?command=ls", (400, "you must specify at least 1 of stdin, stdout, stderr")),
        ("/exec/default/p/c?output=1", (400, "you must specify at least one command for the container")),
    ):
        assert await port.get(path) == refusal
    code, text = await port.get("/exec/default/p/c?command=ls&output=1")
    assert (code, text) == (400, "only WebSockets are served, with v5.channel.k8s.io or v4.channel.k8s.io")


async def test_what_is_used_is_told_in_both_shapes(node: TestNode, port: Port) -> None:
    await node.create("p")
    await node.wait("p", "Running")
    code, text = await port.get("/metrics/resource")
    assert code == 200
    assert "\nresource_scrape_error 0" in text
    assert "\nnode_cpu_usage_seconds_total " in text
    code, text = await port.get("/stats/summary")
    assert code == 200
    assert json.loads(text)["node"]["memory"]["workingSetBytes"] >= 0
    code, text = await port.get("/stats/summary?only_cpu_and_memory=true")
    assert "fs" not in json.loads(text)["node"]
