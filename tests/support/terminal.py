"""A pseudo-terminal with a program on it, driven as by hand."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import struct
import termios


class Terminal:
    """A program on a terminal of its own, and the hand that types."""

    def __init__(self, words: list[str], env: dict[str, str], columns: int, rows: int) -> None:
        self._pid, self._fd = pty.fork()
        if self._pid == 0:
            # Before the program can ask for it.
            _set_size(0, columns, rows)
            os.execvpe(words[0], words, env)
        self.text = ""

    def resize(self, columns: int, rows: int) -> None:
        _set_size(self._fd, columns, rows)
        os.kill(self._pid, signal.SIGWINCH)

    def type(self, keys: str) -> None:
        os.write(self._fd, keys.encode())

    def wait_for(self, text: str) -> None:
        """Read until that comes, after what was read before."""
        start = len(self.text)
        while text not in self.text[start:]:
            self.text += os.read(self._fd, 4096).decode()

    def ask(self, keys: str, prompt: str, awaited: str) -> None:
        """Type that until, before the next prompt, the awaited text comes: a window's size may come late."""
        while awaited not in self.text:
            self.type(keys)
            self.wait_for(prompt)

    def finish(self) -> int:
        """Read to the end; the exit code."""
        try:
            while data := os.read(self._fd, 4096):
                self.text += data.decode()
        except OSError:
            pass
        os.close(self._fd)
        return os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])


def _set_size(terminal: int, columns: int, rows: int) -> None:
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
