"""The pretended programs as text: a command, what it reads; what it writes, complains and ends with.

run WORD ... [tty=yes]     the command, split as a shell would; the input lines are what it reads
type [...]                 keys for a terminal, in Python's spelling; the echo and the lines that come of them
Lines marked `!` went to the error stream.
"""

from __future__ import annotations

import ast
import shlex
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from kubelet.runtime.fake_http import page_of
from kubelet.runtime.programs.files import pod_files
from kubelet.runtime.programs.plumbing import Source
from kubelet.runtime.programs.process import (
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
from kubelet.runtime.programs.table import PROGRAMS, CannotStart, start
from kubelet.runtime.programs.terminal import Terminal
from tests import datadriven

FILES = sorted((Path(__file__).parent / "testdata" / "programs").glob("*.txt"))
NOW = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
# A line of input that stands for Ctrl-C.
CTRL_C = "^C"
RESOLV_CONF = """\
nameserver 127.96.0.10
search default.svc.cluster.local svc.cluster.local cluster.local
options ndots:5
"""


def new_process(*, is_terminal: bool = False) -> Process:
    files = pod_files("web", "10.0.0.9", RESOLV_CONF, page_of("welcome", "web", "10.0.0.9"))
    environment = {"PATH": PATH, "HOSTNAME": "web", "COLOUR": "blue", "HOME": "/root"}
    return Process(Surroundings("web", "10.0.0.9", "nginx", files), PROGRAMS, environment, is_terminal)


class World:
    """Answers a program and keeps what it did."""

    def __init__(self, text: str) -> None:
        self.source = Source(text.encode())
        self.said: list[tuple[bool, bytes]] = []
        self.rounds = 0

    def drive(self, running: Running) -> int:
        step: Any = lambda: next(running)  # noqa: E731
        while True:
            try:
                request = step()
            except StopIteration as end:
                return int(end.value)
            except Interrupted:
                return 130
            try:
                reply = self._answer(request)
            except Interrupted as interrupted:
                step = lambda interrupted=interrupted: running.throw(interrupted)  # noqa: E731
            else:
                step = lambda reply=reply: running.send(reply)  # noqa: E731

    def _answer(self, request: Request) -> Any:
        match request:
            case Write(data, is_error):
                self.said.append((is_error, data))
            case Read(line):
                taken = self.source.take(line=line)
                if taken.decode().strip() == CTRL_C:
                    raise Interrupted
                return taken
            case Sleep(seconds):
                self.said.append((True, b"(sleeps %d s)\n" % seconds))
                if self.source.data.startswith(b"^C\n"):
                    self.source.take(line=True)
                    raise Interrupted
            case Breathe():
                self.rounds += 1
                assert self.rounds < 100, "a loop has no end"
            case Now():
                return NOW
            case Size():
                return 80, 24
            case Fetch(ip, port, path):
                self.said.append((True, f"(asks {ip}:{port}{path})\n".encode()))
                return (404 if path == "/missing" else 200, b"a page\n") if port == 80 else None
            case Resolve(servers, names):
                self.said.append((True, f"(asks {' '.join(servers)} for {' '.join(names)})\n".encode()))
                known = [each for each in names if each == "nginx.default.svc.cluster.local"]
                return (known[0], ["127.96.0.20"]) if known and servers else None
            case EndContainer():
                self.said.append((True, b"(ends the container)\n"))
        return None

    def lines(self) -> Iterator[str]:
        for is_error, data in self.said:
            for line in data.decode().splitlines(keepends=True):
                end = "" if line.endswith("\n") else "\\"
                yield f"{'! ' if is_error else ''}{line.rstrip(chr(10))}{end}"


def handle(case: datadriven.Case) -> str:
    # The words of the line itself: `datadriven` takes NAME=VALUE for options.
    words = shlex.split(case.header[-1])[1:]
    if case.command == "type":
        return typed(ast.literal_eval(f"b'{case.input}'"))
    is_terminal = "tty=yes" in words[:1]
    world = World(case.input + "\n" if case.input else "")
    try:
        code = world.drive(start(new_process(is_terminal=is_terminal), words[is_terminal:]))
    except CannotStart as error:
        return f"cannot start: {error}"
    return "\n".join([*world.lines(), f"exit {code}"])


def typed(keys: bytes) -> str:
    came = Terminal().type(keys)
    lines = [f"echo {bytes(came.echo)!r}", *(f"line {line!r}" for line in came.lines)]
    return "\n".join([*lines, *(["interrupt"] if came.is_interrupt else [])])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_programs(path: Path, request: pytest.FixtureRequest) -> None:
    datadriven.run(path, request, handle)
