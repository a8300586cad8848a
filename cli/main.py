"""Shell: kl's table of commands, and the one border where errors become lines for a person."""

from __future__ import annotations

import sys
from typing import Any

import click

from cli.commands import cluster, create, delete, describe, get, scale
from cli.errors import CliError
from kube.api.errors import StatusError
from kube.base.run import StartupError

COMMANDS = (get.command, describe.command, create.command, delete.command, scale.command, cluster.command)


class FriendlyGroup(click.Group):
    """Ends a command that cannot be carried out with one line on stderr and exit code 1."""

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except StatusError as error:
            message = f"Error from server ({error.reason}): {error.message}"
        except (CliError, StartupError) as error:
            message = f"error: {error}"
        click.echo(message, err=True)
        sys.exit(1)


@click.group(cls=FriendlyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--kubeconfig", help="The kubeconfig to use.  [default: $KUBECONFIG, or .kubelite/admin.kubeconfig]"
)
def main(kubeconfig: str | None) -> None:
    """Drive a Kubernetes cluster, as kubectl does."""


for each in COMMANDS:
    main.add_command(each)
