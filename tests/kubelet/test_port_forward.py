"""Ports forwarded through the API server: as Python's clients speak, and by SPDY after an upgrade."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from kubelet.server.server import KubeletServer
from kubelet.streaming.port_channels import ports_of
from tests.kubelet.conftest import TestNode
from tests.kubelet.test_exec_through_api import PODS, handshake, kubelet
from tests.kubelet.test_server import is_waited_for
from tests.kubelet.test_spdy import Client, control, data
from tests.support.wait import until_async

__all__ = ["kubelet"]
V4 = "v4.channel.k8s.io"


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Sends everything back, as it comes."""
    while piece := await reader.read(1 << 16):
        writer.write(piece)
        await writer.drain()
    writer.close()


@asynccontextmanager
async def listening(pod: Any, serve: Any = echo) -> AsyncIterator[int]:
    """A server on a port of the pod."""
    server = await asyncio.start_server(serve, pod["status"]["podIP"], 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


@pytest.fixture
async def pod(node: TestNode, kubelet: KubeletServer) -> Any:
    await node.create("p")
    return await node.wait("p", "Running")


async def receive_until(socket: aiohttp.ClientWebSocketResponse, channel: int, size: int) -> bytes:
    got = b""
    while len(got) < size:
        message = await socket.receive_bytes()
        assert message[0] == channel
        got += message[1:]
    return got


async def test_two_ports_in_one_websocket(node: TestNode, pod: Any) -> None:
    async with listening(pod) as port, listening(pod) as other:
        url = f"{node.api.base}{PODS}/p/portforward?ports={port}&ports={other}"
        async with node.api.session.ws_connect(url, protocols=["v5.channel.k8s.io", V4]) as socket:
            assert socket.protocol == V4
            first = [await socket.receive_bytes() for _ in range(4)]
            assert first == [
                bytes([channel]) + struct.pack("<H", number)
                for channel, number in enumerate((port, port, other, other))
            ]
            await socket.send_bytes(b"\x02" + b"two")
            assert await receive_until(socket, 2, 3) == b"two"
            await socket.send_bytes(b"\x00" + b"one")
            assert await receive_until(socket, 0, 3) == b"one"
    await until_async("nothing is forwarded", lambda: not is_waited_for("Tunnel.run"))


async def test_a_pod_that_hangs_up_ends_the_websocket(node: TestNode, pod: Any) -> None:
    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"welcome")
        writer.close()

    async with listening(pod, greet) as port:
        url = f"{node.api.base}{PODS}/p/portforward?ports={port}"
        async with node.api.session.ws_connect(url, protocols=[V4]) as socket:
            messages = [message.data async for message in socket]
    assert messages[2:] == [b"\x00welcome"]
    assert socket.close_code == 1000


async def test_a_port_that_nobody_listens_on(node: TestNode, pod: Any) -> None:
    async with listening(pod) as port:
        pass
    url = f"{node.api.base}{PODS}/p/portforward?ports={port}"
    async with node.api.session.ws_connect(url, protocols=[V4]) as socket:
        messages = [message.data async for message in socket]
    start = f"\x01error forwarding port {port} to pod default/p: failed to connect to ".encode()
    assert messages[2].startswith(start)


async def test_ports_must_be_named(node: TestNode, pod: Any) -> None:
    refused = 'Internal error occurred: unable to upgrade connection: query parameter "port" is required'
    assert await handshake(node.api, "p/portforward", V4) == (500, refused)
    for values, problem in (
        ([""], 'query parameter "port" cannot be empty'),
        (["80", "x"], 'unable to parse "x" as a port: strconv.ParseUint: parsing "x": invalid syntax'),
        (["0"], 'port "0" must be > 0'),
        (["70000"], 'unable to parse "70000" as a port: strconv.ParseUint: parsing "70000": value out of'),
    ):
        with pytest.raises(ValueError, match="port") as error:
            ports_of(values)
        assert str(error.value).startswith(problem)
    assert ports_of(["80,81", "82"]) == [80, 81, 82]


async def test_much_is_forwarded_in_little_memory(node: TestNode, pod: Any) -> None:
    """The pod reads nothing until the client has to wait."""
    may_read = asyncio.Event()
    size, chunk = 64 << 20, bytes(1 << 16)

    async def count(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await may_read.wait()
        left = size
        while left:
            left -= len(await reader.read(1 << 20))
        writer.write(b"done")
        writer.close()

    async with listening(pod, count) as port:
        url = f"{node.api.base}{PODS}/p/portforward?ports={port}"
        async with node.api.session.ws_connect(url, protocols=[V4]) as socket:
            sent = [0]

            async def send() -> None:
                for _ in range(size // len(chunk)):
                    await socket.send_bytes(b"\x00" + chunk)
                    sent[0] += len(chunk)

            sending = asyncio.ensure_future(send())
            seen: list[int] = []

            def has_stopped() -> bool:
                """Five looks in a row see no more sent, while the kubelet waits for the pod."""
                seen.append(sent[0])
                return is_waited_for("Tunnel.put") and len(set(seen[-5:])) == 1 and len(seen) > 5

            await until_async("the client waits", has_stopped)
            assert sent[0] < size // 2
            may_read.set()
            messages = [message.data async for message in socket]
            await sending
    assert messages[2:] == [b"\x00done"]


class Taken:
    """A client on a connection that was switched to SPDY."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.spdy = Client()

    async def finish(self, *stream_ids: int) -> None:
        while not self.spdy.finished.issuperset(stream_ids):
            piece = await self.reader.read(1 << 16)
            assert piece, "the server ended before its streams did"
            await self.spdy.take(piece)


@asynccontextmanager
async def switched(node: TestNode, path: str, version: str) -> AsyncIterator[Taken]:
    host, _, port = node.api.base.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = f"POST {PODS}/{path} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n"
    writer.write(f"{head}X-Stream-Protocol-Version: {version}\r\nContent-Length: 0\r\n\r\n".encode())
    answer = (await reader.readuntil(b"\r\n\r\n")).decode()
    assert answer.startswith("HTTP/1.1 101 Switching Protocols\r\n"), answer
    assert f"X-Stream-Protocol-Version: {version}\r\n" in answer
    yield Taken(reader, writer)
    writer.close()
    await writer.wait_closed()


async def test_a_command_by_spdy(node: TestNode, pod: Any) -> None:
    path = "p/exec?command=cat&stdin=true&stdout=true&stderr=true"
    async with switched(node, path, V4) as taken:
        spdy = taken.spdy
        for stream_id, kind in ((1, "error"), (3, "stdin"), (5, "stdout"), (7, "stderr")):
            taken.writer.write(spdy.open(stream_id, {"streamtype": kind}))
        taken.writer.write(data(3, b"hello ") + data(3, b"there") + data(3, b"", fin=True))
        await taken.finish(1, 5, 7)
    assert spdy.received[5] == b"hello there"
    assert spdy.received[1] == b'{"metadata": {}, "status": "Success"}'


async def test_a_command_by_old_spdy_says_in_text_how_it_ended(node: TestNode, pod: Any) -> None:
    path = "p/exec?command=sh&command=-c&command=exit%203&stdout=true"
    async with switched(node, path, "v2.channel.k8s.io") as taken:
        taken.writer.write(taken.spdy.open(1, {"streamtype": "error"}))
        taken.writer.write(taken.spdy.open(3, {"streamtype": "stdout"}))
        await taken.finish(1, 3)
    text = b"command terminated with non-zero exit code: command terminated with exit code 3"
    assert taken.spdy.received[1] == text


async def test_a_port_by_spdy(node: TestNode, pod: Any) -> None:
    async with listening(pod) as port, switched(node, "p/portforward", "portforward.k8s.io") as taken:
        headers = {"port": str(port), "requestid": "0"}
        taken.writer.write(taken.spdy.open(1, {"streamtype": "error", **headers}))
        taken.writer.write(taken.spdy.open(3, {"streamtype": "data", **headers}))
        taken.writer.write(data(3, b"hello") + data(3, b"", fin=True))
        await taken.finish(1, 3)
        taken.writer.write(control(7, bytes(8)))
        assert taken.spdy.received == {1: b"", 3: b"hello"}
        assert await taken.reader.read() == b""


async def test_a_refusal_by_spdy_is_the_kubelets(node: TestNode, pod: Any) -> None:
    await node.create("done", "once", restartPolicy="Never")
    await node.wait("done", "Succeeded")
    headers = {"Connection": "Upgrade", "Upgrade": "SPDY/3.1", "X_Stream_Protocol_Version": V4}
    answer = await node.api("POST", f"{PODS}/done/exec?command=ls&stdout=true", **headers)
    assert (answer.code, answer.body) == (404, b'container not found ("c")')
    headers["X_Stream_Protocol_Version"] = "v9.channel.k8s.io"
    assert (await node.api("POST", f"{PODS}/p/exec?command=ls&stdout=true", **headers)).code == 403


async def test_a_connection_goes_on_after_a_refused_upgrade(node: TestNode, pod: Any) -> None:
    host, _, port = node.api.base.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    upgrade = "Connection: Upgrade\r\nUpgrade: SPDY/3.1\r\nContent-Length: 0\r\n"
    for path, code in (("nosuch", 404), ("p", 400)):
        path = f"{PODS}/{path}/exec?command=ls&container=x"
        writer.write(f"POST {path} HTTP/1.1\r\nHost: x\r\n{upgrade}\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        assert head.startswith(f"HTTP/1.1 {code} ")
        size = next(
            int(line[15:]) for line in head.split("\r\n") if line.lower().startswith("content-length:")
        )
        await reader.readexactly(size)
    writer.close()
    await writer.wait_closed()
