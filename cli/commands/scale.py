"""Shell: `kl scale`: sets how many replicas an object has, by its scale subresource."""

from __future__ import annotations

import click

from cli import targets
from cli.errors import CliError
from cli.output import qualified_name
from cli.session import namespace_option, session


@click.command("scale")
@click.argument("words", nargs=-1, required=True)
@click.option("--replicas", type=click.IntRange(min=0), required=True, help="The new number.")
@namespace_option
@click.pass_context
def command(context: click.Context, words: tuple[str, ...], replicas: int, namespace: str | None) -> None:
    """Change the number of replicas: `kl scale deploy/nginx --replicas=3`."""
    wanted = targets.named(words)
    for resource, _ in wanted:
        if resource.subresource("scale") is None:
            raise CliError(f"{resource.plural} cannot be scaled")
    at = session(context, namespace)
    for resource, name in wanted:
        patch = {"spec": {"replicas": replicas}}
        at.api.patch(resource, at.namespace_of(resource), name, patch, subresource="scale")
        click.echo(f"{qualified_name(resource, name)} scaled")
