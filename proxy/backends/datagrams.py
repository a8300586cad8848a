"""Shell: UDP for the userspace backend: a client's datagrams go to one backend, the answers back to it.

UDP has no connections, so one is made up: the first datagram of a client chooses a backend, and a socket of
the client's own carries what follows both ways, until nothing was said for IDLE_SECONDS, or the backend is
the rule's no longer: then the client's next datagram chooses again.

Invariants: at most CLIENTS_MAX clients at a time; the one silent for longest gives way.
Absent: trying the next backend, as nobody says that a datagram was not taken.
"""

from __future__ import annotations

import asyncio
from collections.abc import Container
from typing import Any, cast

from kube.base import low_ports
from proxy.balancer import Balancer
from proxy.endpoints import Backend
from proxy.metrics import Metrics
from proxy.rules import Listener, Rule

IDLE_SECONDS = 30.0
CLIENTS_MAX = 1024
# Datagrams kept while a client's socket is being made.
WAITING_MAX = 16

Address = tuple[str | Any, int]


class Upstream(asyncio.DatagramProtocol):
    """One client's socket towards its backend."""

    def __init__(self, listener: UdpListener, client: Address, backend: Backend) -> None:
        self._listener, self._client, self.backend = listener, client, backend
        self.transport: asyncio.DatagramTransport | None = None
        self.waiting: list[bytes] = []
        self.heard_at = asyncio.get_running_loop().time()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not all of asyncio's datagram transports are DatagramTransports to isinstance.
        self.transport = cast(asyncio.DatagramTransport, transport)
        for data in self.waiting:
            self.transport.sendto(data)
        self.waiting.clear()

    def send(self, data: bytes) -> None:
        """To the backend, or kept until there is a socket."""
        self.heard_at = asyncio.get_running_loop().time()
        if self.transport is not None:
            self.transport.sendto(data)
        elif len(self.waiting) < WAITING_MAX:
            self.waiting.append(data)

    def datagram_received(self, data: bytes, _: Address) -> None:
        self.heard_at = asyncio.get_running_loop().time()
        self._listener.answer(data, self._client)

    def error_received(self, _: Exception) -> None:
        """The backend refuses: let the client's next datagram choose again, rather another."""
        self._listener.balancer.missed(self.backend, asyncio.get_running_loop().time())
        self._listener.forget(self._client)

    def close(self) -> None:
        if self.transport is not None:
            self.transport.close()


class UdpListener(asyncio.DatagramProtocol):
    """Takes datagrams for one rule; own: what this process listens on, where none are taken to."""

    def __init__(
        self, listener: Listener, balancer: Balancer, metrics: Metrics, own: Container[Listener]
    ) -> None:
        self.balancer = balancer
        self._listener, self._metrics, self._own = listener, metrics, own
        self._transport: asyncio.DatagramTransport | None = None
        # By when they were heard of first; idle ones go by themselves.
        self._clients: dict[Address, Upstream] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        address = (self._listener.address, low_ports.bindable(self._listener.port))
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=address)

    def replace(self, rule: Rule) -> None:
        self.balancer.replace(rule)
        kept = rule.reachable
        for client in [client for client, each in self._clients.items() if each.backend not in kept]:
            self.forget(client)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()
        for client in list(self._clients):
            self.forget(client)
        for task in self._tasks:
            task.cancel()

    def datagram_received(self, data: bytes, client: Address) -> None:
        upstream = self._clients.get(client)
        if upstream is None:
            if not self.balancer.rule.admits(client[0]):
                self._metrics.refused.inc()
                return
            now = asyncio.get_running_loop().time()
            found = self.balancer.candidates(client[0], now)
            backends = [each for each in found if Listener(each.address, each.port, "UDP") not in self._own]
            if not backends:
                return
            self.balancer.took(client[0], backends[0], now)
            upstream = self._begin(client, backends[0])
        upstream.send(data)

    def answer(self, data: bytes, client: Address) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(data, client)

    def forget(self, client: Address) -> None:
        upstream = self._clients.pop(client, None)
        if upstream is not None:
            upstream.close()

    def _begin(self, client: Address, backend: Backend) -> Upstream:
        if len(self._clients) >= CLIENTS_MAX:
            self.forget(min(self._clients, key=lambda each: self._clients[each].heard_at))
        upstream = self._clients[client] = Upstream(self, client, backend)
        self._metrics.connections.inc()
        task = asyncio.get_running_loop().create_task(self._carry(upstream, client, backend))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return upstream

    async def _carry(self, upstream: Upstream, client: Address, backend: Backend) -> None:
        """Give the client its socket, and take it away when nobody has spoken for a while."""
        loop = asyncio.get_running_loop()
        address = (backend.address, low_ports.bindable(backend.port))
        try:
            await loop.create_datagram_endpoint(lambda: upstream, remote_addr=address)
            silent_seconds = 0.0
            while silent_seconds < IDLE_SECONDS:
                await asyncio.sleep(IDLE_SECONDS - silent_seconds)
                silent_seconds = loop.time() - upstream.heard_at
        except OSError:
            self._metrics.failed_connects.inc()
        finally:
            upstream.close()
            if self._clients.get(client) is upstream:
                del self._clients[client]
