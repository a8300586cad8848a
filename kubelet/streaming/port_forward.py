"""Shell: connects what a client sends on SPDY streams with ports of a pod, as kubectl does.

    for each connection two streams with one `requestid`: error, then data; both name the `port`
    data stream <-> TCP connection to the pod; error stream: nothing and its end when all went well, else text

After: k8s staging/src/k8s.io/kubelet/pkg/cri/streaming/portforward/httpstream.go
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial

from kube.base.spdy import (
    Connection,
    DataReceived,
    GoneAway,
    PingReceived,
    StreamOpened,
    StreamReset,
)
from kubelet.streaming.tunnel import AddressOf, Deliver, Tunnel


@dataclass(slots=True)
class _Pair:
    """The streams of one connection, and the connection itself once both are there."""

    error_id: int
    port: int
    data_id: int = 0
    tunnel: Tunnel | None = None
    task: asyncio.Task[None] | None = None


class PortForward:
    """One client's forwarding to one pod."""

    def __init__(self, pod_name: str, address_of: AddressOf, send: Deliver) -> None:
        self._pod_name, self._address_of, self._send = pod_name, address_of, send
        self._connection = Connection()
        self._by_request: dict[str, _Pair] = {}
        self._by_stream: dict[int, _Pair] = {}

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
        tasks = [pair.task for pair in self._by_stream.values() if pair.task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _open(self, event: StreamOpened) -> None:
        headers, stream_id = event.headers, event.stream_id
        request, port = headers.get("requestid", ""), headers.get("port", "")
        is_error = headers.get("streamtype") == "error"
        pair = None if is_error else self._by_request.pop(request, None)
        if not port.isdecimal() or (pair is None and not is_error):
            await self._send(self._connection.reset(stream_id))
            return
        await self._send(self._connection.reply(stream_id))
        if pair is None:
            self._by_request[request] = _Pair(stream_id, int(port))
            return
        pair.data_id = stream_id
        self._by_stream[stream_id] = pair
        pair.tunnel = Tunnel(self._pod_name, pair.port, self._address_of, partial(self._deliver, stream_id))
        pair.task = asyncio.get_running_loop().create_task(self._serve(pair, pair.tunnel))

    async def _put(self, event: DataReceived) -> None:
        pair = self._by_stream.get(event.stream_id)
        if pair is None or pair.tunnel is None:
            return
        if event.data:
            await pair.tunnel.put(event.data)
        if event.fin:
            await pair.tunnel.put(b"")

    def _drop(self, stream_id: int) -> None:
        pair = self._by_stream.get(stream_id)
        if pair and pair.task:
            pair.task.cancel()

    async def _deliver(self, stream_id: int, data: bytes) -> None:
        await self._send(self._connection.send(stream_id, data))

    async def _serve(self, pair: _Pair, tunnel: Tunnel) -> None:
        """Be the connection until both ends are done with it."""
        try:
            problem = await tunnel.run()
        finally:
            self._by_stream.pop(pair.data_id, None)
        await self._send(self._connection.send(pair.error_id, problem.encode(), fin=True))
        await self._send(self._connection.send(pair.data_id, b"", fin=True))
