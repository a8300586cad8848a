r"""Core: cuts a container's output into the lines of its log, as CRI has them.

    b"hello\nwor" at 12:00:00 -> "2030-01-01T12:00:00.000000000Z stdout F hello\n", and "wor" waits

A line that is longer than LINE_BYTES_MAX, or that ends with its stream, is marked P: it has no end.
After: containerd internal/cri/io/logger.go.
"""

from __future__ import annotations

from collections.abc import Iterator

# As containerd's max_container_log_line_size.
LINE_BYTES_MAX = 16 * 1024
FULL, PARTIAL = b"F", b"P"


class LineCutter:
    """One stream of one container; `name` is stdout or stderr."""

    def __init__(self, name: str) -> None:
        self._name = name.encode()
        self._rest = b""

    def feed(self, data: bytes, now: bytes) -> bytes:
        """What to append to the log for this output; `now` is the time as it stands in a line."""
        return b"".join(self._line(now, tag, text) for tag, text in self._cut(data))

    def end(self, now: bytes) -> bytes:
        """What to append when no more will come."""
        rest, self._rest = self._rest, b""
        return self._line(now, PARTIAL, rest) if rest else b""

    def _cut(self, data: bytes) -> Iterator[tuple[bytes, bytes]]:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            *pieces, last = _pieces(line)
            yield from ((PARTIAL, piece) for piece in pieces)
            yield FULL, last
        *pieces, self._rest = _pieces(self._rest)
        yield from ((PARTIAL, piece) for piece in pieces)

    def _line(self, now: bytes, tag: bytes, text: bytes) -> bytes:
        return b"%s %s %s %s\n" % (now, self._name, tag, text)


def _pieces(line: bytes) -> list[bytes]:
    starts = range(0, max(len(line), 1), LINE_BYTES_MAX)
    return [line[start : start + LINE_BYTES_MAX] for start in starts]
