"""Core: what travels in the messages of exec and attach: the first byte is the channel.

    0 stdin   1 stdout   2 stderr   3 how it ended, a Status   4 size of the terminal   255 end of a channel

v5.channel.k8s.io has the end of a channel, so that stdin can end before the command does; v4 has not.
After: k8s staging/src/k8s.io/apimachinery/pkg/util/remotecommand/constants.go.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

V5, V4 = "v5.channel.k8s.io", "v4.channel.k8s.io"
PROTOCOLS = (V5, V4)
STDIN, STDOUT, STDERR, STATUS, SIZE, CLOSE = 0, 1, 2, 3, 4, 255
SIZE_DEFAULT = (80, 24)


@dataclass(frozen=True, slots=True)
class Options:
    """Which streams a client wants; a terminal has no error stream of its own."""

    stdin: bool
    stdout: bool
    stderr: bool
    is_terminal: bool

    @classmethod
    def parse(cls, query: Mapping[str, str]) -> Options:
        """Read them off a query; ValueError where nothing is wanted."""
        stdin, stdout, stderr, is_terminal = (
            query.get(name, "") in ("1", "true") for name in ("input", "output", "error", "tty")
        )
        if not (stdin or stdout or stderr):
            raise ValueError("you must specify at least 1 of stdin, stdout, stderr")
        return cls(stdin, stdout, stderr and not is_terminal, is_terminal)


def message(channel: int, data: bytes) -> bytes:
    """One message."""
    return bytes([channel]) + data


def size_of(data: bytes) -> tuple[int, int] | None:
    """Columns and rows in a message of the size channel, if it is one."""
    try:
        size = json.loads(data)
        return int(size["Width"]), int(size["Height"])
    except (ValueError, KeyError, TypeError):
        return None


def ended(exit_code: int) -> dict[str, Any]:
    """The Status of a command that ran to its end."""
    if exit_code == 0:
        return {"metadata": {}, "status": "Success"}
    cause = {"reason": "ExitCode", "message": str(exit_code)}
    text = f"command terminated with non-zero exit code: command terminated with exit code {exit_code}"
    return {
        "metadata": {},
        "status": "Failure",
        "message": text,
        "reason": "NonZeroExitCode",
        "details": {"causes": [cause]},
    }
