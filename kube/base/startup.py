"""Shell: why a process cannot start, apart from how it runs: short commands have no event loop."""

from __future__ import annotations


class StartupError(Exception):
    """The process cannot start: the message names the flag, file or port and the way out."""
