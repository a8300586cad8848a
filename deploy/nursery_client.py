"""Shell: the supervisor's end of the nursery: starts it, asks it to fork, hears how children ended."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from deploy import nursery
from deploy.ending import wait_ended
from deploy.identity import Identity, identity_of
from deploy.layout import Layout
from deploy.processes import Process

# None: the nursery was lost before it could tell.
ExitCode = asyncio.Future[int | None]

# What tells a nursery that its children shall end with it.
END_CHILDREN = {"endChildren": True}


class NurseryLost(Exception):
    """The nursery ended while it was being asked."""


@dataclass(frozen=True, slots=True)
class Forked:
    """A nursery that stands, and the socket to speak with it; `child` if this process started it."""

    identity: Identity
    socket: socket.socket
    child: asyncio.subprocess.Process | None = None

    async def wait(self) -> None:
        """Return when it has ended."""
        if self.child is None:
            await wait_ended(self.identity)
        else:
            await self.child.wait()


def fork(layout: Layout, foreign: Iterable[int]) -> Forked:
    """Fork the first nursery, without the descriptors in `foreign`; no event loop may run yet."""
    pid, link = nursery.fork(_title("nursery", layout), layout.log("nursery"), foreign)
    return Forked(identity_of(pid) or Identity(pid, 0), link)


class NurseryClient:
    """One nursery at a time, `forked` at first if given; a lost one is replaced at the next start."""

    def __init__(
        self, layout: Layout, claim: socket.socket | None, forked: Forked | None, *, end_children: bool
    ) -> None:
        self._layout, self._claim, self._forked = layout, claim, forked
        self._end_children = end_children
        self._link: _Link | None = None
        self._starting = asyncio.Lock()

    @property
    def identity(self) -> Identity | None:
        return self._link.identity if self._link else None

    async def start(self, process: Process) -> tuple[Identity, ExitCode]:
        """Fork a component; the future is its exit code, or None if the nursery is lost before it knows."""
        async with self._starting:
            if self._link is None or self._link.is_lost:
                self._link = await self._link_to(self._forked or await self._start_nursery())
                self._forked = None
            return await self._link.start(_request(process, self._layout))

    async def stop(self) -> None:
        """End the nursery, and with it a child whose start was not waited for."""
        if self._link is not None:
            self._link.say(END_CHILDREN)
            await self._link.close()

    async def _start_nursery(self) -> Forked:
        ours, theirs = socket.socketpair()
        log = self._layout.log("nursery")
        log.parent.mkdir(parents=True, exist_ok=True)
        with theirs, log.open("ab") as out:
            child = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-P", "-m", "deploy.nursery", _title("nursery", self._layout)),
                stdin=theirs.fileno(),
                stdout=out,
                stderr=out,
                # The nursery and all its children hold the cluster's number.
                pass_fds=[self._claim.fileno()] if self._claim else [],
                start_new_session=True,
            )
        return Forked(identity_of(child.pid) or Identity(child.pid, 0), ours, child)

    async def _link_to(self, forked: Forked) -> _Link:
        reader, writer = await asyncio.open_unix_connection(sock=forked.socket)
        link = _Link(forked, reader, writer)
        if self._end_children:
            link.say(END_CHILDREN)
        return link


class _Link:
    """The connection to one living nursery."""

    def __init__(self, forked: Forked, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.identity = forked.identity
        self._forked = forked
        self._reader, self._writer = reader, writer
        self._started: asyncio.Future[tuple[int, ExitCode]] | None = None
        self._codes: dict[int, ExitCode] = {}
        self._reading = asyncio.create_task(self._read())

    @property
    def is_lost(self) -> bool:
        return self._reading.done()

    async def start(self, request: dict[str, Any]) -> tuple[Identity, ExitCode]:
        """Ask for one child; the caller asks one at a time."""
        self._started = asyncio.get_running_loop().create_future()
        self.say(request)
        pid, code = await self._started
        identity = identity_of(pid)
        # It may have ended already; its pid stays its own until the nursery has reported the end.
        return identity or Identity(pid, 0), code

    def say(self, message: dict[str, Any]) -> None:
        self._writer.write(json.dumps(message).encode() + b"\n")

    async def close(self) -> None:
        self._writer.close()
        await self._forked.wait()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()
        await self._reading

    async def _read(self) -> None:
        """Hear the nursery until its end, then say so to whoever waits."""
        while line := await self._read_line():
            message = json.loads(line)
            if "started" in message:
                assert self._started is not None
                code: ExitCode = asyncio.get_running_loop().create_future()
                self._codes[message["pid"]] = code
                self._started.set_result((message["pid"], code))
            else:
                self._codes.pop(message["pid"]).set_result(message["code"])
        for code in self._codes.values():
            code.set_result(None)
        if self._started is not None and not self._started.done():
            self._started.set_exception(NurseryLost("the nursery ended"))
        self._writer.close()
        await self._forked.wait()

    async def _read_line(self) -> bytes:
        try:
            return await self._reader.readline()
        except ConnectionError:
            return b""


def _title(name: str, layout: Layout) -> str:
    return f"kubelite {name} {layout.data_dir}"


def _request(process: Process, layout: Layout) -> dict[str, Any]:
    return {
        "name": process.name,
        "title": _title(process.name, layout),
        "module": process.module,
        "isProgram": process.is_program,
        "shared": process.shared,
        "args": list(process.args),
        "log": str(layout.log(process.name)),
    }
