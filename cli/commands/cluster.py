"""Shell: `kl cluster VERB`: hands over to the launcher, which is a program of its own.

The options are the launcher's: `kl cluster up --help` shows them. The cluster is the one whose env file was
sourced, unless --data-dir names another.
"""

from __future__ import annotations

import os
import sys

import click

VERBS = {
    "up": "Start the cluster and return when it is usable",
    "down": "Stop everything; `--wipe` removes the data",
    "status": "Show the processes and the store's members",
    "logs": "Print the logs of processes, or of all; `-f` follows them",
    "kill": "End processes by SIGKILL; they stay dead until `start`",
    "start": "Start what was killed",
    "restart": "End processes politely and start them at once",
    "pause": "Stop processes where they stand (SIGSTOP)",
    "resume": "Let paused processes go on (SIGCONT)",
    "partition": "Cut the links between members of the store",
    "heal": "Mend every link that was cut",
}


@click.group("cluster")
def command() -> None:
    """Start, stop, look at and break a cluster on this machine."""


def _add(verb: str, help: str) -> None:
    # Everything behind the verb is the launcher's, its --help included.
    settings = {"ignore_unknown_options": True, "help_option_names": []}

    @command.command(verb, help=help, context_settings=settings)
    @click.argument("words", nargs=-1, type=click.UNPROCESSED)
    def hand_over(words: tuple[str, ...]) -> None:
        _launcher(verb, words)


for _verb, _help in VERBS.items():
    _add(_verb, _help)


def _launcher(verb: str, words: tuple[str, ...]) -> None:
    """Become the launcher: signals and the exit code are its own."""
    sourced = os.environ.get("KUBELITE_DATA_DIR")
    if sourced and not any(word.split("=")[0] == "--data-dir" for word in words):
        words = ("--data-dir", sourced, *words)
    os.execv(sys.executable, [sys.executable, "-P", "-m", "deploy", verb, *words])
