"""Shell: `kl create -f`: makes the objects of a file."""

from __future__ import annotations

import click

from cli import manifests
from cli.output import qualified_name
from cli.session import namespace_option, session
from kube.api import meta


@click.command("create")
@click.option("-f", "--filename", "sources", multiple=True, required=True, help="A file, a folder, or - .")
@namespace_option
@click.pass_context
def command(context: click.Context, sources: tuple[str, ...], namespace: str | None) -> None:
    """Make the objects that a file describes."""
    objects = manifests.read(sources)
    at = session(context, namespace)
    for resource, o in objects:
        made = at.api.create(resource, at.namespace_for(resource, o), o)
        click.echo(f"{qualified_name(resource, meta.name(made))} created")
