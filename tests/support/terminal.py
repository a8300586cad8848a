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
            os.execvpe(words[0], words, env)
        self.resize(columns, rows)
        self.text = ""

    def resize(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        os.kill(self._pid, signal.SIGWINCH)

    def type(self, keys: str) -> None:
        os.write(self._fd, keys.encode())

    def wait_for(self, text: str) -> None:
        """Read until that comes, after what was read before."""
        start = len(self.text)
        while text not in self.text[start:]:
            self.text += os.read(self._fd, 4096).decode()

    def finish(self) -> int:
        """Read to the end; the exit code."""
        try:
            while data := os.read(self._fd, 4096):
                self.text += data.decode()
        except OSError:
            pass
        os.close(self._fd)
        return os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])
