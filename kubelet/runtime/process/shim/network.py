r"""Shell: gives a pod its own address on the machine's network: who listens in it listens on that address.

    pod: bind(0.0.0.0:8080)      -> the kernel stops it and asks the shim (seccomp's user notification)
    shim: takes the same socket (pidfd_getfd), binds it to 127.224.1.5:8080, and lets the pod go on

So two pods may listen on one port, each answers on its address, and what is inside reaches Services and the
API server like any process of the machine, from the pod's address. Its `localhost` is that address as well. A
network namespace would need a bridge, routes and root's hand in the machine's network, and could not carry
addresses of 127/8.

Invariants: a socket is answered for only while its process waits for the answer; what this does not change,
the kernel does as if nobody had looked. Only bind and connect are asked about.
Absent: addresses in sendto without connect; a pod's 127.0.0.1 that its neighbours cannot reach.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import struct
import sys
from collections.abc import Callable

from kubelet.runtime.process.shim import kernel
from kubelet.runtime.process.shim.loop import READABLE, WRITABLE, Loop
from kubelet.runtime.process.shim.redirect import LOW_PORTS_END, Target, bind_target, connect_target

_NEW_LISTENER = 1 << 3
_RECEIVE, _SEND, _IS_VALID = 0xC0502100, 0xC0182101, 0x40082102
# Let the kernel do the call as it stands.
_CONTINUE = 1
_ALLOW, _NOTIFY = 0x7FFF0000, 0x7FC00000
# Longer than any socket address of the internet families.
_ADDRESS_BYTES_MAX = 128
_IP_BIND_ADDRESS_NO_PORT = 24


def filter_program() -> bytes:
    """The filter: ask about bind and connect, allow the rest."""
    load, jump_equal, answer = 0x20, 0x15, 0x06
    number_at, architecture_at = 0, 4
    instructions = (
        (load, 0, 0, architecture_at),
        (jump_equal, 0, 3, kernel.AUDIT_ARCH),
        (load, 0, 0, number_at),
        (jump_equal, 2, 0, kernel.SYS_BIND),
        (jump_equal, 1, 0, kernel.SYS_CONNECT),
        (answer, 0, 0, _ALLOW),
        (answer, 0, 0, _NOTIFY),
    )
    return b"".join(struct.pack("=HBBI", *each) for each in instructions)


def install() -> int:
    """Have this process and its children ask; the descriptor on which to answer them."""
    return kernel.seccomp_filter(filter_program(), _NEW_LISTENER)


class PodNetwork:
    """The address of one pod. port_offset: where ports below 1024 are served, as by kube.base.low_ports."""

    def __init__(self, loop: Loop, ip: str, port_offset: int) -> None:
        self._loop, self._ip, self._port_offset = loop, ip, port_offset

    def serve(self, listener: int) -> None:
        """Answer until the last process that asks has ended."""
        self._loop.watch(listener, READABLE, lambda mask: self._ready(listener, mask))

    def _ready(self, listener: int, mask: int) -> None:
        if not mask & READABLE:
            self._loop.forget(listener)
            os.close(listener)
            return
        asked = bytearray(80)
        try:
            fcntl.ioctl(listener, _RECEIVE, asked)
        except OSError:
            # Its process was killed meanwhile.
            return
        self._answer(listener, bytes(asked))

    def _answer(self, listener: int, asked: bytes) -> None:
        call, pid, _, number, _, _, *words = struct.unpack("=QIIiIQ6Q", asked)
        reply = _Reply(listener, call)
        try:
            address = _memory(pid, words[1], min(words[2], _ADDRESS_BYTES_MAX))
            target = (bind_target if number == kernel.SYS_BIND else connect_target)(address, self._ip)
            if target is None:
                reply.go_on()
                return
            opened = _socket_of(pid, words[0])
            if not reply.is_awaited():
                opened.close()
                return
        except OSError:
            reply.go_on()
            return
        act = self._bind if number == kernel.SYS_BIND else self._connect
        act(opened, target, reply)

    def _bind(self, opened: socket.socket, target: Target, reply: _Reply) -> None:
        ip, port = target
        if port < LOW_PORTS_END:
            port += self._port_offset
        with opened:
            if _is_only_ipv6(opened):
                # Its twin for IPv4 has the address; this one listens where nobody comes.
                ip, port = "::1", 0
            reply.with_outcome(lambda: opened.bind((ip, port)))

    def _connect(self, opened: socket.socket, target: Target, reply: _Reply) -> None:
        """From the pod's address, and without waiting: a full backlog holds up this connection alone."""
        self._take_source(opened)
        if target[1] < LOW_PORTS_END:
            target = target[0], target[1] + self._port_offset
        flags = fcntl.fcntl(opened, fcntl.F_GETFL)
        fcntl.fcntl(opened, fcntl.F_SETFL, flags | os.O_NONBLOCK)
        try:
            opened.connect(target)
            outcome = 0
        except OSError as error:
            outcome = error.errno or errno.EIO
        if outcome == errno.EINPROGRESS and not flags & os.O_NONBLOCK:
            self._loop.watch(opened.fileno(), WRITABLE, lambda _: self._connected(opened, flags, reply))
            return
        fcntl.fcntl(opened, fcntl.F_SETFL, flags)
        opened.close()
        reply.fail(outcome)

    def _take_source(self, opened: socket.socket) -> None:
        """So that servers see who comes."""
        host, port, *_ = opened.getsockname()
        if port or host not in ("0.0.0.0", "::"):
            return
        with contextlib.suppress(OSError):
            opened.setsockopt(socket.IPPROTO_IP, _IP_BIND_ADDRESS_NO_PORT, 1)
            opened.bind((self._ip if opened.family == socket.AF_INET else f"::ffff:{self._ip}", 0))

    def _connected(self, opened: socket.socket, flags: int, reply: _Reply) -> None:
        self._loop.forget(opened.fileno())
        outcome = opened.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        fcntl.fcntl(opened, fcntl.F_SETFL, flags)
        opened.close()
        reply.fail(outcome)


class _Reply:
    """The answer to one call."""

    def __init__(self, listener: int, call: int) -> None:
        self._listener, self._call = listener, call

    def is_awaited(self) -> bool:
        """Whether the process that called is the one we looked at."""
        try:
            fcntl.ioctl(self._listener, _IS_VALID, struct.pack("=Q", self._call))
        except OSError:
            return False
        return True

    def go_on(self) -> None:
        self._send(0, _CONTINUE)

    def fail(self, number: int) -> None:
        """Of 0: it went well."""
        self._send(-number, 0)

    def with_outcome(self, act: Callable[[], None]) -> None:
        try:
            act()
        except OSError as error:
            self.fail(error.errno or errno.EIO)
        else:
            self.fail(0)

    def _send(self, error: int, flags: int) -> None:
        # Who asked may have been killed.
        with contextlib.suppress(OSError):
            fcntl.ioctl(self._listener, _SEND, bytearray(struct.pack("=QqiI", self._call, 0, error, flags)))


def _memory(pid: int, at: int, size: int) -> bytes:
    descriptor = os.open(f"/proc/{pid}/mem", os.O_RDONLY)
    try:
        return os.pread(descriptor, size, at)
    finally:
        os.close(descriptor)


def _socket_of(pid: int, number: int) -> socket.socket:
    """The socket that a thread of another process knows by a number."""
    with open(f"/proc/{pid}/status") as status:
        process = next(int(line.split()[1]) for line in status if line.startswith("Tgid:"))
    pidfd = os.pidfd_open(process)
    try:
        return socket.socket(fileno=kernel.pidfd_getfd(pidfd, number))
    finally:
        os.close(pidfd)


def _is_only_ipv6(opened: socket.socket) -> bool:
    if opened.family != socket.AF_INET6:
        return False
    return bool(opened.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY))


assert sys.byteorder == "little", "the filter's instructions are written as this machine reads them"
