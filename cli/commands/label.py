"""Shell: `kl label`: sets `key=value` and removes `key-`."""

from __future__ import annotations

import click

from cli import targets
from cli.errors import CliError
from cli.output import qualified_name
from cli.session import Session, namespace_option, session
from cli.targets import Target
from kube.api import meta
from kube.api.meta import Object
from kube.api.resources import Resource


@click.command("label")
@click.argument("words", nargs=-1, required=True)
@click.option("--overwrite", is_flag=True, help="Labels that are there may be given another value.")
@click.option("-l", "--selector", "chosen", default="", help="The objects with these labels.")
@click.option("--all", "every", is_flag=True, help="All objects of the resource in the namespace.")
@namespace_option
@click.pass_context
def command(
    context: click.Context,
    words: tuple[str, ...],
    overwrite: bool,
    chosen: str,
    every: bool,
    namespace: str | None,
) -> None:
    """Set and remove labels: `kl label pod nginx tier=web old-`."""
    changes = [word for word in words if "=" in word or word.endswith("-")]
    if not changes:
        raise CliError("at least one label update is required")
    new = dict(map(_change, changes))
    wanted = targets.parse([word for word in words if word not in changes])
    if not (chosen or every) and any(target.name is None for target in wanted):
        raise CliError("name the objects, or choose them with -l or --all")
    at = session(context, namespace)
    for target in wanted:
        for o in _objects(at, target, chosen):
            _label(at, target.resource, o, new, overwrite=overwrite)


def _change(word: str) -> tuple[str, str | None]:
    """`key=value`, or `key-` for none."""
    key, equals, value = word.partition("=")
    return (key, value) if equals else (word[:-1], None)


def _objects(at: Session, target: Target, chosen: str) -> list[Object]:
    place = at.namespace_of(target.resource)
    if target.name is not None:
        return [at.api.get(target.resource, place, target.name)]
    items: list[Object] = at.api.list(target.resource, place, chosen)["items"]
    return items


def _label(
    at: Session, resource: Resource, o: Object, new: dict[str, str | None], *, overwrite: bool
) -> None:
    old = meta.labels(o)
    for key, value in new.items():
        if value is None and key not in old:
            click.echo(f'label "{key}" not found.')
        if value is not None and old.get(key, value) != value and not overwrite:
            raise CliError(f"'{key}' already has a value ({old[key]}), and --overwrite is false")
    patch = {key: value for key, value in new.items() if old.get(key) != value}
    if patch:
        place = meta.namespace(o) or None
        at.api.patch(resource, place, meta.name(o), {"metadata": {"labels": patch}})
    removes = patch and all(value is None for value in patch.values())
    done = "unlabeled" if removes else "labeled" if patch else "not labeled"
    click.echo(f"{qualified_name(resource, meta.name(o))} {done}")
