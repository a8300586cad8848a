"""Shell: `kl cluster up|down|status`: hands over to the launcher, which is a program of its own.

The options are the launcher's: `kl cluster up --help` shows them. The cluster is the one whose env file was
sourced, unless --data-dir names another.
"""

from __future__ import annotations

import os
import subprocess
import sys

import click

FORWARD = {"ignore_unknown_options": True, "help_option_names": []}


@click.group("cluster")
def command() -> None:
    """Start, stop and look at a cluster on this machine."""


@command.command("up", context_settings=FORWARD)
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def up(options: tuple[str, ...]) -> None:
    """Start the cluster and return when it is usable."""
    _launcher("up", options)


@command.command("down", context_settings=FORWARD)
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def down(options: tuple[str, ...]) -> None:
    """Stop everything; `--wipe` removes the data."""
    _launcher("down", options)


@command.command("status", context_settings=FORWARD)
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def status(options: tuple[str, ...]) -> None:
    """Show the processes and the store's members."""
    _launcher("status", options)


def _launcher(verb: str, options: tuple[str, ...]) -> None:
    sourced = os.environ.get("KUBELITE_DATA_DIR")
    if sourced and not any(option.split("=")[0] == "--data-dir" for option in options):
        options = ("--data-dir", sourced, *options)
    arguments = [sys.executable, "-P", "-m", "deploy", verb, *options]
    sys.exit(subprocess.run(arguments, check=False).returncode)
