"""Core: a program whose streams the shell has led elsewhere: to a pipe, a file, the other stream, nowhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from kubelet.runtime.programs.files import FileProblem, Files
from kubelet.runtime.programs.process import Interrupted, Read, Request, Running, Write, complain

# What one side of a pipe may write before the other reads; then it ends as if nobody read.
PIPED_BYTES_MAX = 8 << 20
BROKEN_PIPE = 141


@dataclass(slots=True)
class Source:
    """What a program reads in place of its standard input."""

    data: bytes

    def take(self, *, line: bool) -> bytes:
        size = self.data.find(b"\n") + 1 if line else 0
        size = size or len(self.data)
        taken, self.data = self.data[:size], self.data[size:]
        return taken


@dataclass(slots=True)
class Sink:
    """Collects what is written."""

    data: bytearray = field(default_factory=bytearray)


@dataclass(frozen=True, slots=True)
class Stream:
    """The program's own standard output, or its error stream."""

    is_error: bool


@dataclass(frozen=True, slots=True)
class ToFile:
    """A file, to which is appended."""

    path: str


Target = Sink | Stream | ToFile | None
OUTPUT, ERRORS = Stream(is_error=False), Stream(is_error=True)


@dataclass(slots=True)
class Streams:
    """Where a program's streams lead; None as a target is nowhere."""

    source: Source | None = None
    output: Target = OUTPUT
    errors: Target = ERRORS


def plumbed(running: Running, streams: Streams, files: Files) -> Running:
    """The same program behind those streams."""
    step: Callable[[], Request] = partial(next, running)
    while True:
        try:
            request = step()
        except StopIteration as end:
            return int(end.value)
        reply = None
        match request:
            case Read(line) if streams.source is not None:
                reply = streams.source.take(line=line)
            case Write(data, is_error):
                target = streams.errors if is_error else streams.output
                if isinstance(target, Sink):
                    target.data += data
                    if len(target.data) > PIPED_BYTES_MAX:
                        running.close()
                        return BROKEN_PIPE
                elif isinstance(target, ToFile):
                    try:
                        files.write(target.path, data, appends=True)
                    except FileProblem as problem:
                        yield complain(f"write error: {problem}\n")
                        running.close()
                        return 1
                elif target is not None:
                    yield Write(data, target.is_error)
            case _:
                try:
                    reply = yield request
                except Interrupted as interrupted:
                    step = partial(running.throw, interrupted)
                    continue
        step = partial(running.send, reply)
