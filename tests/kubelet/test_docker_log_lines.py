"""The engine's log stream as CRI's lines: each once, however it comes and whatever interrupts it."""

from __future__ import annotations

import struct

import pytest

from kubelet.runtime.docker.log_lines import LogLines, Position, position_of

FIRST, SECOND = b"2030-01-01T00:00:01.000000001Z", b"2030-01-01T00:00:02.500000000Z"
# What a container wrote: the stream, the time the engine gave it, the text.
MESSAGES = (
    (1, FIRST, b"hello\n"),
    (2, FIRST, b"to you\n"),
    (1, SECOND, b"the beginning "),
    (1, SECOND, b"of a line\n"),
    (1, SECOND, b"\n"),
)
LINES = (
    FIRST + b" stdout F hello\n",
    FIRST + b" stderr F to you\n",
    SECOND + b" stdout P the beginning \n",
    SECOND + b" stdout F of a line\n",
    SECOND + b" stdout F \n",
)


def frames(messages: tuple[tuple[int, bytes, bytes], ...]) -> bytes:
    texts = ((kind, time + b" " + text) for kind, time, text in messages)
    return b"".join(struct.pack(">BxxxL", kind, len(text)) + text for kind, text in texts)


def written(data: bytes, position: Position, size: int, *, is_terminal: bool = False) -> bytes:
    """What comes of the stream in pieces of that size."""
    lines = LogLines(position, is_terminal=is_terminal)
    return b"".join(lines.feed(data[start : start + size]) for start in range(0, len(data), size))


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_frames_come_in_pieces(size: int) -> None:
    assert written(frames(MESSAGES), Position(), size) == b"".join(LINES)


@pytest.mark.parametrize("size", [1, 1000])
def test_a_terminals_lines_end_with_a_carriage_return(size: int) -> None:
    data = FIRST + b" $ ls\r\n" + SECOND + b" bin\r\n" + SECOND + b" $ "
    expected = FIRST + b" stdout F $ ls\r\n" + SECOND + b" stdout F bin\r\n"
    assert written(data, Position(), size, is_terminal=True) == expected


@pytest.mark.parametrize("count", range(len(LINES) + 1))
def test_a_file_goes_on_behind_its_last_line(count: int) -> None:
    """The engine repeats everything of the last line's time, and sometimes more."""
    position = position_of([*LINES[:count], b"2030-01-01T0"])
    assert written(frames(MESSAGES), position, 10) == b"".join(LINES[count:])


@pytest.mark.parametrize(
    ("time", "since"),
    [
        (b"", "0"),
        (FIRST, "1893456001.000000001"),
        (SECOND, "1893456002.500000000"),
        (b"2030-01-01T00:00:01Z", "1893456001.000000000"),
    ],
)
def test_a_position_as_the_engine_takes_it(time: bytes, since: str) -> None:
    assert Position(time, 1).since == since
