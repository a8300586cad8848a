"""Shell: `kl scale`: sets how many replicas an object has, by its scale subresource."""

from __future__ import annotations

import click

from cli import targets
from cli.errors import CliError
from cli.output import qualified_name
from cli.session import Session, namespace_option, run


@click.command("scale")
@click.argument("words", nargs=-1, required=True)
@click.option("--replicas", type=click.IntRange(min=0), required=True, help="The new number.")
@namespace_option
@click.pass_context
def command(context: click.Context, words: tuple[str, ...], replicas: int, namespace: str | None) -> None:
    """Change the number of replicas: `kl scale deploy/nginx --replicas=3`."""
    wanted = targets.parse(words)
    for target in wanted:
        if target.name is None:
            raise CliError(f"name the object to scale: {target.resource.plural}/NAME")
        if target.resource.subresource("scale") is None:
            raise CliError(f"{target.resource.plural} cannot be scaled")

    async def carry_out(session: Session) -> None:
        for target in wanted:
            assert target.name is not None, "checked above"
            place = session.namespace_of(target.resource)
            patch = {"spec": {"replicas": replicas}}
            await session.client.patch(target.resource, place, target.name, patch, subresource="scale")
            click.echo(f"{qualified_name(target.resource, target.name)} scaled")

    run(context, carry_out, namespace)
