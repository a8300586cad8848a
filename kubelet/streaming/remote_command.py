"""Shell: a WebSocket as the streams of a command, and the Status that ends it.

The command ends when the client leaves. When the command ends first, the Status goes out, then the end of the
WebSocket, and what the client still sends is read and dropped: a connection cut with unread data in it would
take the last output with it.

After: k8s staging/src/k8s.io/kubelet/pkg/cri/streaming/remotecommand (exec.go, attach.go, websocket.go).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable

from aiohttp import WSMsgType, web

from kube.api import errors
from kube.base.logs import logger
from kubelet.runtime.interface import RuntimeFailure
from kubelet.streaming import channels
from kubelet.streaming.channels import Options
from kubelet.streaming.presence import until_gone

log = logger(__name__)

# As large as Go's servers take: Python's clients send a whole file in one message.
MESSAGE_BYTES_MAX = 32 << 20
# What a client may send to a command that does not read: then its messages wait.
QUEUE_SIZE = 64

Run = Callable[["RemoteCommand"], Awaitable[int]]


class RemoteCommand:
    """One client's streams; implements kubelet.runtime.interface.Streams.

    has_end: without input, reading finds its end; one attached only to look must not end the container's.
    """

    def __init__(self, socket: web.WebSocketResponse, options: Options) -> None:
        self.size = channels.SIZE_DEFAULT
        self.has_end = True
        self._socket, self._options = socket, options
        # An empty piece is the end.
        self._stdin: asyncio.Queue[bytes] = asyncio.Queue(maxsize=QUEUE_SIZE)

    async def read(self) -> bytes:
        return await self._stdin.get() if self._options.stdin or not self.has_end else b""

    async def write(self, data: bytes) -> None:
        if self._options.stdout:
            await self._socket.send_bytes(channels.message(channels.STDOUT, data))

    async def write_error(self, data: bytes) -> None:
        if self._options.stderr:
            await self._socket.send_bytes(channels.message(channels.STDERR, data))

    async def run(self, run: Run) -> None:
        """Let the command run with these streams, and tell how it ended."""
        leaving = asyncio.ensure_future(until_gone(self._socket))
        listening = asyncio.ensure_future(self._listen())
        running = asyncio.ensure_future(_outcome(run(self)))
        try:
            await asyncio.wait({leaving, listening, running}, return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                listening.cancel()
                await asyncio.gather(listening, return_exceptions=True)
                await self._end(running.result())
        except ConnectionError:
            log.debug("a client left before it heard how its command ended")
        finally:
            for each in (leaving, listening, running):
                each.cancel()
            await asyncio.gather(leaving, listening, running, return_exceptions=True)

    async def _end(self, status: dict[str, object]) -> None:
        await self._socket.send_bytes(channels.message(channels.STATUS, json.dumps(status).encode()))
        await self._socket.close()

    async def _listen(self) -> None:
        """Take what the client sends, until it leaves."""
        async for message in self._socket:
            if message.type is not WSMsgType.BINARY or not message.data:
                continue
            channel, data = message.data[0], message.data[1:]
            if channel == channels.STDIN and self._options.stdin and data:
                await self._stdin.put(data)
            elif channel == channels.SIZE:
                self.size = channels.size_of(data) or self.size
            elif channel == channels.CLOSE and data == bytes([channels.STDIN]):
                await self._stdin.put(b"")


async def _outcome(running: Awaitable[int]) -> dict[str, object]:
    try:
        return channels.ended(await running)
    except RuntimeFailure as failure:
        return errors.internal(f"error executing command in container: {failure}").status()


async def serve(request: web.Request, options: Options, run: Run) -> web.StreamResponse:
    """Answer a request for an exec or attach; only as a WebSocket."""
    socket = web.WebSocketResponse(protocols=channels.PROTOCOLS, max_msg_size=MESSAGE_BYTES_MAX)
    can = socket.can_prepare(request)
    if not can.ok or can.protocol is None:
        raise web.HTTPBadRequest(text=f"only WebSockets are served, with {' or '.join(channels.PROTOCOLS)}")
    await socket.prepare(request)
    await RemoteCommand(socket, options).run(run)
    return socket
