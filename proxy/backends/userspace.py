"""Shell: makes rules come true with nothing but sockets: one listener a rule, connections joined by hand.

    sync(rules):  close what has no rule or nobody behind it, tell the rest their new backends, open the new

A rule without backends is not listened on, so that its clients are refused, as by the real proxies. A
connection is taken to the first backend that answers; only when none does is it broken off. Connections that
stand are left alone, whatever becomes of their rule: they end when their pod or their client does.

A listener that cannot be bound costs one line in the log, however often it is tried again. Ports below 1024
that this user may not bind are served, and looked for at pods, elsewhere (kube/base/low_ports.py).
Absent: keeping the client's address; the backend sees the proxy's.
After: k8s pkg/proxy/userspace/{proxier,proxysocket}.go (of Kubernetes 1.25)
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Protocol

from kube.base import low_ports
from kube.base.logs import logger
from proxy.backends.datagrams import UdpListener
from proxy.backends.relay import Side
from proxy.balancer import Balancer
from proxy.metrics import Metrics
from proxy.rules import Backend, Listener, Rule, Rules

log = logger(__name__)

BACKLOG = 1024
CONNECT_SECONDS = 3.0


class Open(Protocol):
    """A listener at work."""

    balancer: Balancer

    async def start(self) -> None:
        """Bind; raises OSError."""

    def close(self) -> None:
        """Listen no more."""


class TcpListener:
    """Accepts connections for one rule and takes each to a backend."""

    def __init__(self, listener: Listener, balancer: Balancer, metrics: Metrics) -> None:
        self.balancer = balancer
        self._listener, self._metrics = listener, metrics
        self._server: asyncio.Server | None = None
        self._connecting: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        port = low_ports.bindable(self._listener.port)
        self._server = await loop.create_server(
            lambda: Accepted(self._accept), self._listener.address, port, backlog=BACKLOG
        )

    def close(self) -> None:
        if self._server is not None:
            self._server.close()

    def _accept(self, client: Side) -> None:
        task = asyncio.get_running_loop().create_task(self._connect(client))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def _connect(self, client: Side) -> None:
        """Join the client with the first backend that answers; the rule may change meanwhile."""
        loop = asyncio.get_running_loop()
        address = (client.transport.get_extra_info("peername") or ("",))[0]
        tried: list[Backend] = []
        while rest := [each for each in self.balancer.candidates(address, loop.time()) if each not in tried]:
            tried.append(rest[0])
            side = await self._reach(rest[0])
            if side is None or side.is_lost:
                continue
            if client.is_lost:
                side.transport.abort()
            else:
                self.balancer.took(address, rest[0], loop.time())
                self._metrics.connections.inc()
                side.join(client)
            return
        log.warning("no backend answers", service=self.balancer.rule.service, listener=self._listener)
        client.reset()

    async def _reach(self, backend: Backend) -> Side | None:
        """A connection to the backend, if it answers in time."""
        loop = asyncio.get_running_loop()
        port = low_ports.bindable(backend.port)
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                return (await loop.create_connection(Side, backend.address, port))[1]
        except OSError as error:  # TimeoutError is one, too
            self._metrics.failed_connects.inc()
            log.debug(
                "a backend does not answer",
                service=self.balancer.rule.service,
                backend=backend,
                error=error,
            )
            return None


class Accepted(Side):
    """The client's side, which looks for a backend as soon as it is there."""

    def __init__(self, accept: Callable[[Side], None]) -> None:
        super().__init__()
        self._accept = accept

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._accept(self)


class Userspace:
    """All listeners of this process."""

    def __init__(self, metrics: Metrics, chance: Random) -> None:
        self._metrics, self._chance = metrics, chance
        self._open: dict[Listener, Open] = {}
        # Why listeners that should be open are not.
        self._failures: dict[Listener, str] = {}

    @property
    def failures(self) -> dict[Listener, str]:
        """What could not be bound, and why; it is tried again at each sync."""
        return self._failures

    async def sync(self, rules: Rules) -> None:
        """Make these the rules."""
        wanted = {listener: rule for listener, rule in rules.items() if rule.backends}
        for listener in [each for each in self._open if each not in wanted]:
            self._open.pop(listener).close()
        self._failures = {each: why for each, why in self._failures.items() if each in wanted}
        for listener, rule in wanted.items():
            if listener in self._open:
                if self._open[listener].balancer.rule != rule:
                    self._open[listener].balancer.replace(rule)
            else:
                await self._start(listener, rule)
        self._metrics.listeners.set(len(self._open))

    async def _start(self, listener: Listener, rule: Rule) -> None:
        balancer = Balancer(rule, self._chance.randrange(len(rule.backends)))
        kinds: dict[str, Callable[[], Open]] = {
            "TCP": partial(TcpListener, listener, balancer, self._metrics),
            "UDP": partial(UdpListener, listener, balancer, self._metrics),
        }
        make = kinds.get(listener.protocol)
        if make is None:
            self._failed(listener, rule, f"{listener.protocol} is not supported")
            return
        made = make()
        try:
            await made.start()
        except OSError as error:
            # asyncio words its own errors around the one that says what happened.
            self._failed(listener, rule, os.strerror(error.errno) if error.errno else str(error))
            return
        self._open[listener] = made
        if (port := low_ports.bindable(listener.port)) != listener.port:
            log.warning(
                "a Service is served elsewhere",
                service=rule.service,
                listener=listener,
                instead=port,
                why=low_ports.WAY_OUT,
            )
        if self._failures.pop(listener, None):
            log.info("listens after all", service=rule.service, listener=listener)

    def _failed(self, listener: Listener, rule: Rule, why: str) -> None:
        """Say it once."""
        if self._failures.get(listener) != why:
            log.warning("a Service does not answer", service=rule.service, listener=listener, why=why)
        self._failures[listener] = why

    def close(self) -> None:
        """Stop listening everywhere."""
        for each in self._open.values():
            each.close()
        self._open.clear()
