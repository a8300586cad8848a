r"""Core: what a terminal does between a keyboard and a program: echo, lines, Ctrl-C, and \n shown as \r\n.

The client's own terminal is raw while a session runs, so all of this happens on the container's side.
After: Linux's drivers/tty/n_tty.c in its usual (cooked) mode; termios(3).
"""

from __future__ import annotations

from dataclasses import dataclass, field

CTRL_C, CTRL_D, CTRL_U = 0x03, 0x04, 0x15
BACKSPACE, DELETE, TAB, NEWLINE, RETURN, SPACE = 0x08, 0x7F, 0x09, 0x0A, 0x0D, 0x20
RUB_OUT = b"\b \b"


@dataclass(slots=True)
class Typed:
    """What some keys lead to: an echo, lines for the program (an empty one is the end of its input), an
    interrupt.
    """

    echo: bytearray = field(default_factory=bytearray)
    lines: list[bytes] = field(default_factory=list)
    is_interrupt: bool = False


class Terminal:
    """Holds the line that is being typed."""

    def __init__(self) -> None:
        self._line = bytearray()

    def type(self, keys: bytes) -> Typed:
        """Take some keys."""
        typed = Typed()
        for key in keys:
            self._press(key, typed)
        return typed

    def _press(self, key: int, typed: Typed) -> None:
        if key in (RETURN, NEWLINE):
            typed.echo += b"\r\n"
            self._hand_over(typed, b"\n")
        elif key == CTRL_C:
            typed.echo += b"^C"
            typed.is_interrupt = True
            self._line.clear()
        elif key == CTRL_D:
            self._hand_over(typed, b"")
        elif key in (BACKSPACE, DELETE, CTRL_U):
            self._erase(typed, len(self._line) if key == CTRL_U else 1)
        else:
            self._line.append(key)
            is_shown = key >= SPACE or key == TAB
            typed.echo += bytes([key]) if is_shown else b"^" + bytes([key + 0x40])

    def _hand_over(self, typed: Typed, end: bytes) -> None:
        typed.lines.append(bytes(self._line) + end)
        self._line.clear()

    def _erase(self, typed: Typed, count: int) -> None:
        """Take back letters, each with all its UTF-8 bytes."""
        while count > 0 and self._line:
            while len(self._line) > 1 and self._line[-1] & 0xC0 == 0x80:
                self._line.pop()
            self._line.pop()
            typed.echo += RUB_OUT
            count -= 1


def shown(data: bytes) -> bytes:
    """What a program writes, as the terminal shows it."""
    return data.replace(b"\n", b"\r\n")
