"""Core: the one exception of the launcher.

LaunchError    what the user can do something about: its text is one line naming the thing and the way out
"""

from __future__ import annotations


class LaunchError(Exception):
    """The launcher cannot go on; printed as one line, exit code 1."""
