"""Shell: kl's table of commands, and the one border where errors become lines for a person.

A command's module is imported when the command is used: the help needs none of them.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

import click

from cli.errors import CliError

COMMANDS = {
    "apply": "Make objects be as a file describes them",
    "attach": "Be at the streams of a container's own process",
    "cluster": "Start, stop and look at a cluster on this machine",
    "cp": "Copy files to and from a container",
    "create": "Make the objects that a file describes",
    "delete": "Delete objects and wait until they are gone",
    "describe": "Tell all about objects, with their events",
    "edit": "Change an object in an editor",
    "events": "List what happened",
    "exec": "Run a command in a container",
    "expose": "Make a Service for a workload, a pod or another Service",
    "get": "Show objects",
    "label": "Set and remove labels",
    "logs": "Print what a container wrote",
    "port-forward": "Reach ports of a pod from this machine",
    "rollout": "Follow, undo, pause, resume or restart a rollout",
    "scale": "Change the number of replicas",
    "set": "Change one property of objects: set image",
    "wait": "Wait for a condition of objects",
}


class LazyGroup(click.Group):
    """Imports a command when it is used; one that fails ends with a line on stderr and exit code 1."""

    def list_commands(self, context: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        found: click.Command = import_module(f"cli.commands.{name.replace('-', '_')}").command
        return found

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(sorted(COMMANDS.items()))

    def invoke(self, context: click.Context) -> Any:
        # Here, because the help has no need of them.
        from kube.api.errors import StatusError
        from kube.base.startup import StartupError

        try:
            return super().invoke(context)
        except StatusError as error:
            message = f"Error from server ({error.reason}): {error.message}"
        except (CliError, StartupError) as error:
            message = f"error: {error}"
        click.echo(message, err=True)
        sys.exit(1)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--kubeconfig", help="The kubeconfig to use.  [default: $KUBECONFIG, or .kubelite/admin.kubeconfig]"
)
def main(kubeconfig: str | None) -> None:
    """Drive a Kubernetes cluster, as kubectl does."""
