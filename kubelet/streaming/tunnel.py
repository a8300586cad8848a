"""Shell: one forwarded connection: a TCP connection to a pod's port, and a client's bytes for it.

    client --put--> queue --> pod          pod --> deliver --> client

The client's end closes only its own direction. The pod's end is the end of all: kubectl closes its side only
after that.

After: k8s staging/src/k8s.io/kubelet/pkg/cri/streaming/portforward/portforward.go
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from kube.base.logs import logger

log = logger(__name__)

CONNECT_SECONDS = 10.0
CHUNK_BYTES = 32 * 1024
# What a client may send to a pod that does not read: then the client's messages wait.
QUEUE_SIZE = 16

Deliver = Callable[[bytes], Awaitable[None]]
# The address at which a port of the pod answers.
AddressOf = Callable[[int], tuple[str, int]]


class Tunnel:
    """A connection to one port."""

    def __init__(self, pod_name: str, port: int, address_of: AddressOf, deliver: Deliver) -> None:
        self._pod_name, self._port, self._address_of, self._deliver = pod_name, port, address_of, deliver
        # An empty piece is the client's end.
        self._incoming: asyncio.Queue[bytes] = asyncio.Queue(maxsize=QUEUE_SIZE)
        self._has_ended = asyncio.Event()

    async def put(self, data: bytes) -> None:
        """Take what the client sent, as soon as there is room; nothing is its end."""
        if self._has_ended.is_set():
            return
        if not self._incoming.full():
            self._incoming.put_nowait(data)
            return
        putting = asyncio.ensure_future(self._incoming.put(data))
        ending = asyncio.ensure_future(self._has_ended.wait())
        await asyncio.wait({putting, ending}, return_when=asyncio.FIRST_COMPLETED)
        for each in (putting, ending):
            each.cancel()
        await asyncio.gather(putting, ending, return_exceptions=True)

    async def run(self) -> str:
        """Be the connection until it ends; what went wrong, in words for the client."""
        try:
            ip, port = self._address_of(self._port)
            try:
                async with asyncio.timeout(CONNECT_SECONDS):
                    reader, writer = await asyncio.open_connection(ip, port)
            except (OSError, TimeoutError) as error:
                log.info("cannot forward a port", pod=self._pod_name, port=self._port, error=error)
                why = f"failed to connect to {ip}:{port}: {error}"
                return f"error forwarding port {self._port} to pod {self._pod_name}: {why}"
            await self._pump(reader, writer)
            return ""
        finally:
            self._has_ended.set()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upward = asyncio.ensure_future(_drain(self._incoming, writer))
        try:
            while data := await reader.read(CHUNK_BYTES):
                await self._deliver(data)
        except OSError as error:
            log.debug("a forwarded connection broke off", pod=self._pod_name, port=self._port, error=error)
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
