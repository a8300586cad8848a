"""Shell: makes rules come true with nothing but sockets: one listener a rule, connections joined by hand.

    apply(changes):  close what has no rule or nobody behind it, tell others their new rule, open the new

A rule without backends is not listened on, so that its clients are refused, as by the real proxies. A
connection is taken to the first backend that answers; only when none does is it broken off. Nobody is taken
to another listener of ours, as slices may say: from there the way could lead back, and round for ever.
Connections that stand are left alone, whatever becomes of their rule: they end when their pod or their client
does.

A listener that cannot be bound costs one line in the log, however often it is tried again. Ports below 1024
that this user may not bind are served, and looked for at pods, elsewhere (kube/base/low_ports.py).
Absent: keeping the client's address; the backend sees the proxy's.
After: k8s pkg/proxy/userspace/{proxier,proxysocket}.go (of Kubernetes 1.25)
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Callable, Container
from random import Random
from typing import Any, Protocol

from kube.base import low_ports
from kube.base.logs import logger
from proxy.backends import relay
from proxy.backends.datagrams import UdpListener
from proxy.backends.health_checks import HealthCheckListener
from proxy.balancer import Balancer
from proxy.endpoints import Backend
from proxy.metrics import Metrics
from proxy.rules import HealthCheck, Listener, Rule
from proxy.table import Changes

log = logger(__name__)

BACKLOG = 1024
CONNECT_SECONDS = 3.0
# So many clients are taken before others may speak.
ACCEPTED_AT_ONCE = 32
# Without descriptors for more, clients wait so long in the kernel's queue.
REST_SECONDS = 1.0
# What this machine lacks, which says nothing of a backend.
SHORTAGES = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL)
# A Service that nobody answers for is told of so often, however many clients ask.
TELL_SECONDS = 1.0
# So many listeners are opened before others may speak.
OPENED_AT_ONCE = 50


class Open(Protocol):
    """A listener at work."""

    async def start(self) -> None:
        """Bind; raises OSError."""

    def replace(self, rule: Any) -> None:
        """Serve by this rule from now on, which is of the same kind."""

    def close(self) -> None:
        """Listen no more."""


class TcpListener:
    """Accepts connections for one rule and takes each to a backend; own: what this process listens on."""

    def __init__(
        self, listener: Listener, balancer: Balancer, metrics: Metrics, own: Container[Listener]
    ) -> None:
        self.balancer = balancer
        self._listener, self._metrics, self._own = listener, metrics, own
        self._loop = asyncio.get_running_loop()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        # As in relay.py, the loop is told of the descriptor: texts would be half of a sync of many Services.
        self._number = self._socket.fileno()
        # Where this user finds what backends have on a port: to ask takes a socket.
        self._ports: dict[int, int] = {}
        self._connecting: set[asyncio.Task[None]] = set()
        self._is_resting, self._tell_at = False, 0.0

    async def start(self) -> None:
        try:
            self._socket.setblocking(False)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            # Those that are accepted inherit it.
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket.bind((self._listener.address, low_ports.bindable(self._listener.port)))
            self._socket.listen(BACKLOG)
        except OSError:
            self._socket.close()
            raise
        self._loop.add_reader(self._number, self._accept)

    def replace(self, rule: Rule) -> None:
        self.balancer.replace(rule)
        self._ports.clear()

    def close(self) -> None:
        self._loop.remove_reader(self._number)
        self._socket.close()

    def _accept(self) -> None:
        for _ in range(ACCEPTED_AT_ONCE):
            if self._is_resting:
                return
            try:
                client, (address, _) = self._socket.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self._rest(error)
                return
            client.setblocking(False)
            if self.balancer.rule.admits(address):
                self._connect(client, address, [])
            else:
                self._metrics.refused.inc()
                relay.reset(client)

    def _rest(self, error: OSError) -> None:
        """Out of descriptors, ports or memory: who comes now waits in the kernel's queue."""
        log.error("cannot take connections", listener=self._listener, why=error.strerror)
        if not self._is_resting:
            self._is_resting = True
            self._loop.remove_reader(self._number)
            self._loop.call_later(REST_SECONDS, self._go_on)

    def _go_on(self) -> None:
        self._is_resting = False
        if self._socket.fileno() >= 0:
            self._loop.add_reader(self._number, self._accept)

    def _connect(self, client: socket.socket, address: str, tried: list[Backend]) -> None:
        """Join the client with the first backend that answers; the rule may change meanwhile."""
        now = self._loop.time()
        while backend := next(
            (each for each in self.balancer.candidates(address, now) if each not in tried), None
        ):
            tried.append(backend)
            try:
                if Listener(backend.address, backend.port) in self._own:
                    raise OSError(errno.EADDRINUSE, "it is the address of a Service")
                connection, is_there = _begin(self._address(backend))
            except OSError as error:
                if error.errno in SHORTAGES:
                    relay.reset(client)
                    self._rest(error)
                    return
                self._missed(backend, error)
                continue
            if is_there:
                self._join(client, address, connection, backend)
            else:
                task = self._loop.create_task(self._await(client, address, tried, connection))
                self._connecting.add(task)
                task.add_done_callback(self._connecting.discard)
            return
        if now >= self._tell_at:
            self._tell_at = now + TELL_SECONDS
            log.warning("no backend answers", service=self.balancer.rule.service, listener=self._listener)
        relay.reset(client)

    async def _await(
        self, client: socket.socket, address: str, tried: list[Backend], connection: socket.socket
    ) -> None:
        """The backend takes its time: give it some, and then go on to the next."""
        backend = tried[-1]
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await self._loop.sock_connect(connection, self._address(backend))
        except OSError as error:  # TimeoutError is one, too
            connection.close()
            self._missed(backend, error)
            self._connect(client, address, tried)
            return
        self._join(client, address, connection, backend)

    def _address(self, backend: Backend) -> tuple[str, int]:
        """Where this user finds it."""
        port = self._ports.get(backend.port)
        if port is None:
            port = self._ports[backend.port] = low_ports.bindable(backend.port)
        return backend.address, port

    def _join(self, client: socket.socket, address: str, connection: socket.socket, backend: Backend) -> None:
        self.balancer.took(address, backend, self._loop.time())
        self._metrics.connections.inc()
        relay.join(self._loop, client, connection)

    def _missed(self, backend: Backend, error: OSError) -> None:
        self.balancer.missed(backend, self._loop.time())
        self._metrics.failed_connects.inc()
        service = self.balancer.rule.service
        log.debug("a backend does not answer", service=service, backend=backend, error=error)


def _begin(address: tuple[str, int]) -> tuple[socket.socket, bool]:
    """A connection to a backend, and whether it stands already; OSError where it is refused at once.

    On one machine the kernel has shaken hands before `connect` returns, though it says that it goes on.
    """
    connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        problem = connection.connect_ex(address)
        if problem == errno.EINPROGRESS:
            problem = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if problem:
            raise OSError(problem, os.strerror(problem))
        return connection, _is_connected(connection)
    except OSError:
        connection.close()
        raise


def _is_connected(connection: socket.socket) -> bool:
    try:
        connection.getpeername()
    except OSError as error:
        if error.errno != errno.ENOTCONN:
            raise
        return False
    return True


class Userspace:
    """All listeners of this process; node_of: the node of a client, where it is a pod."""

    def __init__(self, metrics: Metrics, chance: Random, node_of: Callable[[str], str]) -> None:
        self._metrics, self._chance, self._node_of = metrics, chance, node_of
        self._open: dict[Listener, Open] = {}
        # What should be open and is not: its rule, and why.
        self._failures: dict[Listener, tuple[Rule | HealthCheck, str]] = {}

    @property
    def failures(self) -> dict[Listener, str]:
        """What could not be bound, and why."""
        return {listener: why for listener, (_, why) in self._failures.items()}

    async def apply(self, changes: Changes) -> None:
        """Serve by these rules from now on."""
        wanted = {listener: rule for listener, rule in changes.items() if _is_served(rule)}
        # Closed before others are opened: what stands in for a low port may be another Service's own.
        for listener in changes.keys() - wanted.keys():
            self._close(listener)
        opened = 0
        for listener, rule in wanted.items():
            assert rule is not None
            known = self._open.get(listener)
            if known is not None and isinstance(known, HealthCheckListener) is isinstance(rule, HealthCheck):
                known.replace(rule)
                continue
            if known is not None:
                self._open.pop(listener).close()
            await self._start(listener, rule)
            opened += 1
            if opened % OPENED_AT_ONCE == 0:
                await asyncio.sleep(0)
        self._metrics.listeners.set(len(self._open))

    async def retry(self) -> None:
        """Try again what could not be bound."""
        for listener, (rule, _) in list(self._failures.items()):
            await self._start(listener, rule)
        self._metrics.listeners.set(len(self._open))

    def _close(self, listener: Listener) -> None:
        self._failures.pop(listener, None)
        if (known := self._open.pop(listener, None)) is not None:
            known.close()

    async def _start(self, listener: Listener, rule: Rule | HealthCheck) -> None:
        made = self._made(listener, rule)
        if made is None:
            self._failed(listener, rule, f"{listener.protocol} is not supported")
            return
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

    def _made(self, listener: Listener, rule: Rule | HealthCheck) -> Open | None:
        if isinstance(rule, HealthCheck):
            return HealthCheckListener(listener, rule)
        kinds: dict[str, type[TcpListener | UdpListener]] = {"TCP": TcpListener, "UDP": UdpListener}
        kind = kinds.get(listener.protocol)
        if kind is None:
            return None
        first = self._chance.randrange(max(len(rule.backends), 1))
        return kind(listener, Balancer(rule, self._node_of, first), self._metrics, self._open)

    def _failed(self, listener: Listener, rule: Rule | HealthCheck, why: str) -> None:
        """Say it once."""
        known = self._failures.get(listener)
        if known is None or known[1] != why:
            log.warning("a Service does not answer", service=rule.service, listener=listener, why=why)
        self._failures[listener] = rule, why

    def close(self) -> None:
        """Stop listening everywhere."""
        for each in self._open.values():
            each.close()
        self._open.clear()


def _is_served(rule: Rule | HealthCheck | None) -> bool:
    """Whether anybody listens: health is told also where nobody is well."""
    return isinstance(rule, HealthCheck) or (rule is not None and bool(rule.reachable))
