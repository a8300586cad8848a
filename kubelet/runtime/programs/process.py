"""Core: what a pretended program is: a generator that asks for one thing after another and ends with its exit
code.

    def cat(process, words):
        while data := (yield Read()):
            yield Write(data)
        return 0

Whoever runs it answers: the runtime with a client's streams (fake_exec.py), the shell with a pipe
(plumbing.py), a test with a text. So no program knows a socket, a clock or another program.

Invariant: Interrupted, where a program does not catch it, ends it: Ctrl-C was typed.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kubelet.runtime.programs.files import Files

NOT_FOUND = 127
NOT_EXECUTABLE = 126
INTERRUPTED = 130
FOREVER_SECONDS = 10 * 365 * 86400
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class Read:
    """Some of the standard input, or a line of it; answered with nothing at its end."""

    line: bool = False


@dataclass(frozen=True, slots=True)
class Write:
    """Put out data, or complain with it."""

    data: bytes
    is_error: bool = False


@dataclass(frozen=True, slots=True)
class Sleep:
    """Wait; answered with None."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Breathe:
    """Let others have their turn; what goes round for ever asks for it each time."""


@dataclass(frozen=True, slots=True)
class Now:
    """Answered with the time, as an aware datetime."""


@dataclass(frozen=True, slots=True)
class Size:
    """Answered with (columns, rows) of the terminal."""


@dataclass(frozen=True, slots=True)
class Fetch:
    """An HTTP GET; answered with (status code, body), or None where nobody answers."""

    ip: str
    port: int
    path: str


@dataclass(frozen=True, slots=True)
class Resolve:
    """The addresses of the first of some names that has any; answered with (name, addresses), or None."""

    servers: tuple[str, ...]
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EndContainer:
    """End the container's own process, and with it the container."""


Request = Read | Write | Sleep | Breathe | Now | Size | Fetch | Resolve | EndContainer
Running = Generator[Request, Any, int]


class Interrupted(Exception):
    """Ctrl-C was typed; thrown into the program that runs."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all programs of a container see. `command_line` is that of its own process, number 1."""

    hostname: str
    ip: str
    command_line: str
    files: Files


@dataclass(slots=True)
class Process:
    """A program's place: what it may look at, and what the shell above it can change."""

    surroundings: Surroundings
    programs: Mapping[str, Program]
    environment: dict[str, str]
    is_terminal: bool = False
    directory: str = "/"
    # What a shell has run so far; only `ps` looks.
    started: list[str] = field(default_factory=list)

    def path(self, name: str) -> str:
        """The whole path of a name, seen from the working directory."""
        return self.surroundings.files.path(self.directory, name)

    def is_folder(self, name: str) -> bool:
        return self.surroundings.files.is_folder(self.path(name))

    def find(self, name: str) -> Program | None:
        """The program of that name or path."""
        folder, slash, base = name.rpartition("/")
        return self.programs.get(base) if not slash or folder in PATH.split(":") else None


Program = Callable[[Process, Sequence[str]], Running]


def say(text: str) -> Write:
    """Put out a text."""
    return Write(text.encode())


def complain(text: str) -> Write:
    """Put a text on the error stream."""
    return Write(text.encode(), is_error=True)
