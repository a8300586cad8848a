"""Shell: ports of the node that lead to a pod's: whoever connects there is carried over.

After: the CNI plug-in `portmap`, which does it with rules of the machine's firewall.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Sequence

from kubelet.runtime.process.shim.loop import READABLE, WRITABLE, Loop
from kubelet.runtime.process.shim.redirect import LOW_PORTS_END
from kubelet.runtime.process.shim.streams import Sink, Typed

TCP = "TCP"


def listen(
    rows: Sequence[Sequence[object]], node_ip: str, port_offset: int
) -> list[tuple[socket.socket, int]]:
    """Sockets for a pod's rows of (address or "", host port, container port, protocol), and where they lead.

    OSError where one is taken. Only TCP is carried.
    """
    found = []
    for address, host_port, port, protocol in rows:
        if protocol == TCP:
            assert isinstance(host_port, int)
            assert isinstance(port, int)
            taken = socket.create_server((str(address or node_ip), _served(host_port, port_offset)))
            taken.setblocking(False)
            # What comes to it inherits this: parts of an answer go on as they come, not 40 ms later.
            taken.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            found.append((taken, _served(port, port_offset)))
    return found


def carry(loop: Loop, listener: socket.socket, target: tuple[str, int]) -> None:
    """Take all who come to a socket over to the target."""

    def accept(_: int) -> None:
        with contextlib.suppress(OSError):
            _Carried(loop, listener.accept()[0], target)

    loop.watch(listener.fileno(), READABLE, accept)


def _served(port: int, port_offset: int) -> int:
    return port + port_offset if port < LOW_PORTS_END else port


class _Carried:
    """One connection, both ways."""

    def __init__(self, loop: Loop, client: socket.socket, target: tuple[str, int]) -> None:
        self._loop, self._client, self._server = loop, client, socket.socket()
        self._ways_open = 2
        self._server.setblocking(False)
        self._server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(BlockingIOError):
            self._server.connect(target)
        loop.watch(self._server.fileno(), WRITABLE, self._connected)

    def _connected(self, _: int) -> None:
        self._loop.forget(self._server.fileno())
        if self._server.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self._client.close()
            self._server.close()
            return
        self._carry(self._client, self._server)
        self._carry(self._server, self._client)

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        """One way: its end is told on, and when both ways have ended the connection is closed."""

        def ended() -> None:
            with contextlib.suppress(OSError):
                target.shutdown(socket.SHUT_WR)
            self._ways_open -= 1
            if not self._ways_open:
                self._client.close()
                self._server.close()

        sink = Sink(self._loop, os.dup(target.fileno()), lambda: reader.resume(), ended)
        reader = Typed(self._loop, os.dup(source.fileno()), sink, sink.end)
