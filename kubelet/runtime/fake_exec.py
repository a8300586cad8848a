r"""Shell: runs a pretended program with a client's streams: does what it asks for, one thing after another.

    keys --streams.read--> (terminal: echo, lines, Ctrl-C) --> Read
    Write --> (terminal: \n as \r\n) --streams.write--> screen

After: k8s staging/src/k8s.io/kubelet/pkg/cri/streaming/remotecommand/exec.go, and a pseudo-terminal.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from ipaddress import ip_address
from typing import Any, TypeVar

from kube.base import low_ports
from kube.base.clock import Clock
from kube.base.logs import logger
from kubelet.runtime.fake_http import page_of
from kubelet.runtime.fake_mounts import Mounts
from kubelet.runtime.fake_names import resolve
from kubelet.runtime.fake_records import PodRecord
from kubelet.runtime.interface import DNSConfig, Streams
from kubelet.runtime.programs.files import Files, pod_files
from kubelet.runtime.programs.process import (
    INTERRUPTED,
    PATH,
    Breathe,
    EndContainer,
    Fetch,
    Interrupted,
    Now,
    Process,
    Read,
    Request,
    Resolve,
    Running,
    Size,
    Sleep,
    Surroundings,
    Write,
)
from kubelet.runtime.programs.table import PROGRAMS
from kubelet.runtime.programs.terminal import Terminal, shown
from kubelet.runtime.stages import Stage

log = logger(__name__)

T = TypeVar("T")

# Lines typed ahead of a program that does not read; those typed after them are lost, as on a real terminal.
TYPED_AHEAD_MAX = 64
FETCH_SECONDS = 10.0
# How long a round of a loop takes at least.
BREATH_SECONDS = 0.005
FETCH_BYTES_MAX = 1 << 20


class Session:
    """One command of one client; ip: its pod's."""

    def __init__(
        self, ip: str, streams: Streams, clock: Clock, end_container: Callable[[], None], *, is_terminal: bool
    ) -> None:
        self._ip, self._streams, self._clock, self._end_container = ip, streams, clock, end_container
        self._is_terminal = is_terminal
        self._typed: asyncio.Queue[bytes] = asyncio.Queue(maxsize=TYPED_AHEAD_MAX)
        self._interrupt = asyncio.Event()
        self._unread = b""
        self._has_ended = False
        self._late = 0.0

    async def run(self, running: Running, late: float = 0.0) -> int:
        """The program from its start to its end; its exit code. One that began `late` seconds ago goes on: it
        sleeps that much less, and what it wrote meanwhile is not written again.
        """
        self._late = late
        keyboard = asyncio.ensure_future(self._listen()) if self._is_terminal else None
        try:
            return await self._drive(running)
        except Interrupted:
            return INTERRUPTED
        finally:
            running.close()
            if keyboard is not None:
                keyboard.cancel()
                await asyncio.gather(keyboard, return_exceptions=True)

    async def _drive(self, running: Running) -> int:
        step: Callable[[], Request] = partial(next, running)
        while True:
            try:
                request = step()
            except StopIteration as end:
                return int(end.value)
            try:
                step = partial(running.send, await self._do(request))
            except Interrupted as interrupted:
                step = partial(running.throw, interrupted)

    async def _do(self, request: Request) -> Any:
        match request:
            case Read(line):
                return await self._read(line=line)
            case Write(data, is_error):
                if not self._late:
                    await self._write(data, is_error=is_error)
            case Sleep(seconds):
                skipped = min(self._late, seconds)
                self._late -= skipped
                await self._interruptible(asyncio.sleep(seconds - skipped))
            case Breathe():
                await self._interruptible(asyncio.sleep(BREATH_SECONDS))
            case Now():
                return self._clock.now() - timedelta(seconds=self._late)
            case Size():
                return self._streams.size
            case Fetch():
                return await self._interruptible(_fetch(request, self._ip))
            case Resolve(servers, names):
                return await self._interruptible(resolve(servers, names))
            case EndContainer():
                self._end_container()
                # Its end ends this command as well.
                await asyncio.Event().wait()
        return None

    async def _write(self, data: bytes, *, is_error: bool) -> None:
        if self._is_terminal:
            await self._streams.write(shown(data))
        elif is_error:
            await self._streams.write_error(data)
        else:
            await self._streams.write(data)

    async def _read(self, *, line: bool) -> bytes:
        self._late = 0.0
        while not self._has_ended and (not self._unread or (line and b"\n" not in self._unread)):
            if self._is_terminal:
                more = await self._interruptible(self._typed.get()) or b""
            else:
                more = await self._streams.read()
                self._has_ended = not more
            self._unread += more
            if self._is_terminal and not more:
                # Ctrl-D: the end of this input, not of the terminal.
                break
        size = self._unread.find(b"\n") + 1 if line else 0
        size = size or len(self._unread)
        taken, self._unread = self._unread[:size], self._unread[size:]
        return taken

    async def _interruptible(self, waiting: Awaitable[T]) -> T | None:
        """Wait for it, or for Ctrl-C."""
        answer = await unless(self._interrupt, waiting)
        if self._interrupt.is_set():
            self._interrupt.clear()
            raise Interrupted
        return answer

    async def _listen(self) -> None:
        """Be the terminal's driver for what the client types."""
        terminal = Terminal()
        while keys := await self._streams.read():
            typed = terminal.type(keys)
            if typed.echo:
                await self._streams.write(bytes(typed.echo))
            if typed.is_interrupt:
                self._interrupt.set()
            for line in typed.lines:
                with contextlib.suppress(asyncio.QueueFull):
                    self._typed.put_nowait(line)
        self._has_ended = True
        with contextlib.suppress(asyncio.QueueFull):
            self._typed.put_nowait(b"")


class Heard:
    """Streams of nobody: nothing is typed, and what is shown is kept."""

    size = (80, 24)

    def __init__(self) -> None:
        self.output = bytearray()

    async def read(self) -> bytes:
        return b""

    async def write(self, data: bytes) -> None:
        self.output += data

    async def write_error(self, data: bytes) -> None:
        self.output += data


def files_in(record: PodRecord, container_id: str, stage: Stage) -> Files:
    """The files of a container that starts."""
    name, ip = hostname_of(record), record.sandbox.ip
    page = page_of(stage.page, name, ip) if stage.page else None
    mounts = Mounts(record.configs[container_id].mounts)
    return pod_files(name, ip, (record.config.dns or DNSConfig()).text, page, mounts)


def hostname_of(record: PodRecord) -> str:
    """What the pod's containers call themselves."""
    return record.config.hostname or record.config.name


def process_in(
    record: PodRecord, container_id: str, stage: Stage, files: Files, *, is_terminal: bool
) -> Process:
    """What a command finds in a container."""
    config, ip = record.configs[container_id], record.sandbox.ip
    name = record.config.hostname or record.config.name
    command_line = " ".join([*config.command, *config.args]) or stage.command_line
    environment = {"PATH": PATH, "HOSTNAME": name, **config.environment}
    environment.setdefault("HOME", "/root")
    programs = PROGRAMS if stage.has_programs else {}
    surroundings = Surroundings(name, ip, command_line, files)
    directory = config.working_dir if files.is_folder(config.working_dir) else "/"
    return Process(surroundings, programs, environment, is_terminal, directory)


async def unless(event: asyncio.Event, waiting: Awaitable[T]) -> T | None:
    """What one waits for; None, and an end to it, as soon as the event is set."""
    task, ended = asyncio.ensure_future(waiting), asyncio.ensure_future(event.wait())
    try:
        await asyncio.wait({task, ended}, return_when=asyncio.FIRST_COMPLETED)
        return None if event.is_set() else task.result()
    finally:
        for each in (task, ended):
            each.cancel()
        await asyncio.gather(task, ended, return_exceptions=True)


async def _fetch(request: Fetch, ip: str) -> tuple[int, bytes] | None:
    """An HTTP GET, by the port that stands in for one that this user may not bind.

    From the pod's address, as far as that may be: one of the loopback reaches no other.
    """
    is_near = ip_address(ip).is_loopback and ip_address(request.ip).is_loopback
    whence = (ip, 0) if is_near else None
    head = f"GET {request.path} HTTP/1.0\r\nHost: {request.ip}\r\nUser-Agent: kubelite\r\n\r\n"
    try:
        async with asyncio.timeout(FETCH_SECONDS):
            where = request.ip, low_ports.bindable(request.port)
            reader, writer = await asyncio.open_connection(*where, local_addr=whence)
            try:
                writer.write(head.encode())
                answer = await reader.read(FETCH_BYTES_MAX)
                while more := await reader.read(FETCH_BYTES_MAX):
                    answer += more
            finally:
                writer.close()
    except (OSError, TimeoutError) as error:
        log.debug("a pretended program got no answer", ip=request.ip, port=request.port, error=error)
        return None
    status, _, body = answer.partition(b"\r\n\r\n")
    words = status.split(maxsplit=2)
    return (int(words[1]), body) if len(words) > 1 and words[1].isdigit() else None
