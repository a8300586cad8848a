"""Core: what goes wrong on the user's side of the wire.

    CliError       the user named something that cannot be; its text is one line

The API server's refusals are `StatusError`, an unreadable kubeconfig
is `StartupError`; `cli.main` turns them all into a line on stderr and exit code 1.
"""

from __future__ import annotations


class CliError(Exception):
    """The command cannot be carried out as it was given."""
