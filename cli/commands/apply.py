"""Shell: `kl apply -f`: makes objects be as a file describes them, by server-side apply.

The server knows which fields this command set before and removes those that the file no longer names.
"""

from __future__ import annotations

import click

from cli import manifests
from cli.output import qualified_name
from cli.session import Session, namespace_option, session
from kube.api import meta
from kube.api.errors import StatusError, is_not_found
from kube.api.meta import Object
from kube.api.resources import Resource

MANAGER = "kl"
NOT_WANTED = ("resourceVersion", "managedFields", "generation")


@click.command("apply")
@click.option("-f", "--filename", "sources", multiple=True, required=True, help="A file, a folder, or - .")
@namespace_option
@click.pass_context
def command(context: click.Context, sources: tuple[str, ...], namespace: str | None) -> None:
    """Make objects be as a file describes them; make those that are missing."""
    objects = manifests.read(sources)
    at = session(context, namespace)
    for resource, o in objects:
        click.echo(f"{qualified_name(resource, meta.name(o))} {_apply(at, resource, o)}")


def _apply(at: Session, resource: Resource, o: Object) -> str:
    """Apply one object; the answer says what became of it."""
    place, name = at.namespace_for(resource, o), meta.name(o)
    try:
        before = at.api.get(resource, place, name)
    except StatusError as error:
        if not is_not_found(error):
            raise
        before = None
    after = at.api.patch(resource, place, name, o, "apply", fieldManager=MANAGER, force="true")
    if before is None:
        return "created"
    return "unchanged" if _wanted(after) == _wanted(before) else "configured"


def _wanted(o: Object) -> Object:
    """An object without what others write all the time."""
    kept = {key: value for key, value in o.items() if key != "status"}
    metadata = {key: value for key, value in o["metadata"].items() if key not in NOT_WANTED}
    return {**kept, "metadata": metadata}
