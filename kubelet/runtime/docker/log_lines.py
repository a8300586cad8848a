"""Core: the engine's log stream -> lines as CRI has them, each once, over whatever interrupts the stream.

    [kind 0 0 0 | length of 4 bytes] <time> <text>      without a terminal: a message a line, or a part of one
    <time> <text> CR LF                                 with a terminal: as it was written

The engine gives every line the time it came; on what it had at the last written time it is asked again, and
what stands in the file already is left out.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from kube.api.meta import parse_time

HEADER = struct.Struct(">BxxxL")
STREAMS = {1: b"stdout", 2: b"stderr"}


@dataclass(slots=True)
class Position:
    """How far a log is written: the time of the last line, and how many lines of that time there are."""

    time: bytes = b""
    count: int = 0

    def passes(self, time: bytes) -> None:
        self.count = self.count + 1 if time == self.time else 1
        self.time = time

    @property
    def since(self) -> str:
        """The position as the engine takes it: seconds and nanoseconds; the line there comes again."""
        if not self.time:
            return "0"
        seconds, _, fraction = self.time.decode().removesuffix("Z").partition(".")
        return f"{int(parse_time(seconds + 'Z').timestamp())}.{fraction.ljust(9, '0')}"


def position_of(lines: list[bytes]) -> Position:
    """Where a file ends that has these last lines; a torn one at the end is none."""
    position = Position()
    for line in lines:
        if line.endswith(b"\n"):
            position.passes(line.split(b" ", 1)[0])
    return position


class LogLines:
    """Takes the pieces of one stream; `position` follows what was given out."""

    def __init__(self, position: Position, *, is_terminal: bool) -> None:
        self.position = position
        self._is_terminal = is_terminal
        self._buffer = bytearray()
        # Lines of the position's time that come again.
        self._again = position.count
        self._from = position.time

    def feed(self, data: bytes) -> bytes:
        """The lines for the file that are whole by now."""
        self._buffer += data
        messages = self._typed() if self._is_terminal else self._framed()
        return b"".join(self._line(stream, message) for stream, message in messages)

    def _framed(self) -> Iterator[tuple[bytes, bytes]]:
        start, buffer = 0, self._buffer
        while len(buffer) - start >= HEADER.size:
            kind, length = HEADER.unpack_from(buffer, start)
            end = start + HEADER.size + length
            if len(buffer) < end:
                break
            yield STREAMS.get(kind, b"stdout"), bytes(buffer[start + HEADER.size : end])
            start = end
        del buffer[:start]

    def _typed(self) -> Iterator[tuple[bytes, bytes]]:
        *lines, rest = bytes(self._buffer).split(b"\n")
        self._buffer = bytearray(rest)
        yield from ((b"stdout", line + b"\n") for line in lines)

    def _line(self, stream: bytes, message: bytes) -> bytes:
        time, _, text = message.partition(b" ")
        if time < self._from:
            return b""
        if time == self._from and self._again > 0:
            self._again -= 1
            return b""
        self.position.passes(time)
        tag = b"F" if text.endswith(b"\n") else b"P"
        return b"%s %s %s %s\n" % (time, stream, tag, text.removesuffix(b"\n"))
