"""Shell: the user's terminal while a session in a container has it: raw, for the other side echoes."""

from __future__ import annotations

import os
import signal
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager


def is_terminal() -> bool:
    """Whether a person types."""
    return sys.stdin.isatty()


def size() -> tuple[int, int]:
    """Columns and rows."""
    columns, rows = os.get_terminal_size(sys.stdin.fileno())
    return columns, rows


@contextmanager
def raw() -> Iterator[int]:
    """The terminal without a mind of its own; yields a pipe that can be read when its size has changed."""
    keyboard = sys.stdin.fileno()
    before = termios.tcgetattr(keyboard)
    readable, writable = os.pipe()
    os.set_blocking(writable, False)
    handler = signal.signal(signal.SIGWINCH, lambda *_: _notify(writable))
    # Not TCSAFLUSH: what was typed ahead is for the other side.
    tty.setraw(keyboard, termios.TCSANOW)
    try:
        yield readable
    finally:
        termios.tcsetattr(keyboard, termios.TCSADRAIN, before)
        signal.signal(signal.SIGWINCH, handler)
        os.close(readable)
        os.close(writable)


def _notify(writable: int) -> None:
    try:
        os.write(writable, b"\0")
    except BlockingIOError:
        return
