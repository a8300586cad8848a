"""Shell: connects what a client sends on SPDY streams with ports of a pod.

    for each connection two streams with one `requestid`: error, then data; both name the `port`
    data stream <-> TCP connection to the pod; error stream: nothing and its end when all went well, else text

After: k8s pkg/kubelet/server's portforward package
(staging/src/k8s.io/kubelet/pkg/cri/streaming/portforward).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from kube.base.logs import logger
from kubelet.streaming.spdy import (
    Connection,
    DataReceived,
    GoneAway,
    PingReceived,
    StreamOpened,
    StreamReset,
)

log = logger(__name__)

CONNECT_SECONDS = 10.0
CHUNK_BYTES = 32 * 1024
# What a client may send to a pod that does not read: then the client's messages wait.
QUEUE_SIZE = 64

Send = Callable[[bytes], Awaitable[None]]
AddressOf = Callable[[int], tuple[str, int]]


@dataclass(slots=True)
class _Pipe:
    """One forwarded connection. `incoming` holds what the client sent; an empty piece is its end."""

    error_id: int
    port: int
    data_id: int = 0
    incoming: asyncio.Queue[bytes] = field(default_factory=lambda: asyncio.Queue(maxsize=QUEUE_SIZE))
    task: asyncio.Task[None] | None = None


class PortForward:
    """One client's forwarding to one pod."""

    def __init__(self, pod_name: str, address_of: AddressOf, send: Send) -> None:
        self._pod_name, self._address_of, self._send = pod_name, address_of, send
        self._connection = Connection()
        self._by_request: dict[str, _Pipe] = {}
        self._by_stream: dict[int, _Pipe] = {}

    async def receive(self, data: bytes) -> bool:
        """Take bytes of the client; False when it is done."""
        for event in self._connection.receive(data):
            match event:
                case StreamOpened():
                    await self._open(event)
                case DataReceived():
                    await self._put(event)
                case StreamReset(stream_id):
                    self._drop(stream_id)
                case PingReceived(ping_id):
                    await self._send(self._connection.pong(ping_id))
                case GoneAway():
                    return False
        return True

    async def close(self) -> None:
        """End all connections."""
        tasks = [pipe.task for pipe in self._by_stream.values() if pipe.task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _open(self, event: StreamOpened) -> None:
        headers = event.headers
        await self._send(self._connection.reply(event.stream_id))
        request = headers.get("requestid", "")
        if headers.get("streamtype") == "error":
            self._by_request[request] = _Pipe(event.stream_id, int(headers["port"]))
            return
        pipe = self._by_request.pop(request, None)
        if pipe is None:
            await self._send(self._connection.reset(event.stream_id))
            return
        pipe.data_id = event.stream_id
        self._by_stream[event.stream_id] = pipe
        pipe.task = asyncio.get_running_loop().create_task(self._serve(pipe))

    async def _put(self, event: DataReceived) -> None:
        pipe = self._by_stream.get(event.stream_id)
        if pipe is None:
            return
        if event.data:
            await pipe.incoming.put(event.data)
        if event.fin:
            await pipe.incoming.put(b"")

    def _drop(self, stream_id: int) -> None:
        pipe = self._by_stream.get(stream_id)
        if pipe and pipe.task:
            pipe.task.cancel()

    async def _serve(self, pipe: _Pipe) -> None:
        """Be the connection until both ends are done with it."""
        problem = ""
        ip, port = self._address_of(pipe.port)
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                reader, writer = await asyncio.open_connection(ip, port)
        except (OSError, TimeoutError) as error:
            why = f"failed to connect to {ip}:{port}: {error}"
            problem = f"error forwarding port {pipe.port} to pod {self._pod_name}: {why}"
            log.info("cannot forward a port", pod=self._pod_name, port=pipe.port, error=error)
        else:
            await self._pump(pipe, reader, writer)
        finally:
            self._by_stream.pop(pipe.data_id, None)
        await self._send(self._connection.send(pipe.error_id, problem.encode(), fin=True))
        await self._send(self._connection.send(pipe.data_id, b"", fin=True))

    async def _pump(self, pipe: _Pipe, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Copy both ways until the pod closes; the client's end only closes its own direction."""
        upward = asyncio.ensure_future(_drain(pipe.incoming, writer))
        try:
            while data := await reader.read(CHUNK_BYTES):
                await self._send(self._connection.send(pipe.data_id, data))
        except OSError as error:
            log.debug("a forwarded connection broke off", pod=self._pod_name, port=pipe.port, error=error)
        finally:
            upward.cancel()
            await asyncio.gather(upward, return_exceptions=True)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


async def _drain(incoming: asyncio.Queue[bytes], writer: asyncio.StreamWriter) -> None:
    while data := await incoming.get():
        writer.write(data)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()
