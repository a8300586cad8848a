"""Shell: port-forwarding as the Python clients speak it: the first byte of a message is the channel.

    port number n of those asked for:   2n its bytes, both ways    2n+1 what went wrong
    first, on each channel: the port, two bytes, the low one first

One WebSocket is one connection to each port; it ends when all of them have ended. Nothing says that a client
is done with its own direction.

After: k8s staging/src/k8s.io/kubelet/pkg/cri/streaming/portforward/websocket.go
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Sequence
from functools import partial

from kubelet.streaming.tunnel import AddressOf, Deliver, Tunnel

PORT_MAX = 0xFFFF


def ports_of(values: Sequence[str]) -> list[int]:
    """The ports in a query; ValueError in the kubelet's words."""
    if not values:
        raise ValueError('query parameter "port" is required')
    if not all(values):
        raise ValueError('query parameter "port" cannot be empty')
    return [_port(text, word) for text in values for word in text.split(",")]


def _port(text: str, word: str) -> int:
    if not (word.isascii() and word.isdecimal()):
        raise ValueError(
            f'unable to parse "{text}" as a port: strconv.ParseUint: parsing "{word}": invalid syntax'
        )
    if int(word) > PORT_MAX:
        why = f'strconv.ParseUint: parsing "{word}": value out of range'
        raise ValueError(f'unable to parse "{text}" as a port: {why}')
    if int(word) < 1:
        raise ValueError(f'port "{text}" must be > 0')
    return int(word)


class PortChannels:
    """One client's connections to ports of one pod."""

    def __init__(self, pod_name: str, ports: Sequence[int], address_of: AddressOf, send: Deliver) -> None:
        self._send = send
        self._ports = ports
        self._tunnels = [
            Tunnel(pod_name, port, address_of, partial(self._tell, 2 * i)) for i, port in enumerate(ports)
        ]

    async def run(self) -> None:
        """Until all connections have ended."""
        for i, port in enumerate(self._ports):
            for channel in (2 * i, 2 * i + 1):
                await self._tell(channel, struct.pack("<H", port))
        await asyncio.gather(*(self._serve(i, each) for i, each in enumerate(self._tunnels)))

    async def receive(self, message: bytes) -> None:
        """Take a message of the client; on other channels than those of bytes it has nothing to say."""
        channel, data = message[0], message[1:]
        if data and channel % 2 == 0 and channel // 2 < len(self._tunnels):
            await self._tunnels[channel // 2].put(data)

    async def _tell(self, channel: int, data: bytes) -> None:
        await self._send(bytes([channel]) + data)

    async def _serve(self, index: int, tunnel: Tunnel) -> None:
        problem = await tunnel.run()
        if problem:
            await self._tell(2 * index + 1, problem.encode())
