"""Shell: `kl create -f`: makes the objects of a file."""

from __future__ import annotations

import click

from cli import manifests
from cli.output import qualified_name
from cli.session import Session, namespace_option, run
from kube.api.meta import name, namespace


@click.command("create")
@click.option("-f", "--filename", "sources", multiple=True, required=True, help="A file, a folder, or - .")
@namespace_option
@click.pass_context
def command(context: click.Context, sources: tuple[str, ...], namespace: str | None) -> None:
    """Make the objects that a file describes."""
    objects = manifests.read(sources)

    async def carry_out(session: Session) -> None:
        for resource, o in objects:
            made = await session.client.create(resource, o, _namespace(session, o))
            click.echo(f"{qualified_name(resource, name(made))} created")

    run(context, carry_out, namespace)


def _namespace(session: Session, o: dict[str, object]) -> str | None:
    """The object's own namespace goes before the command's."""
    return namespace(o) or session.namespace
