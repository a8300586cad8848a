"""Shell: `kl describe`: an object told in full, with its events."""

from __future__ import annotations

import click

from cli import targets
from cli.describers.table import Related, describe, describer
from cli.describers.view import View
from cli.session import Session, namespace_option, session
from cli.targets import Target
from kube.api import meta
from kube.api.meta import Object
from kube.api.resources import EVENTS
from kube.base.clock import SystemClock


@click.command("describe")
@click.argument("words", nargs=-1)
@namespace_option
@click.option("-A", "--all-namespaces", is_flag=True, help="Objects of every namespace.")
@click.option("-l", "--selector", "labels", default="", help="Only objects with these labels.")
@click.pass_context
def command(
    context: click.Context,
    words: tuple[str, ...],
    namespace: str | None,
    all_namespaces: bool,
    labels: str,
) -> None:
    """Tell all about objects: `kl describe pod nginx`, `kl describe deploy/nginx`."""
    wanted = targets.parse(words)
    clock = SystemClock()

    at = session(context, namespace, all_namespaces=all_namespaces)
    texts = []
    for target in wanted:
        for o in _objects(at, target, labels):
            others = {
                related.resource.plural: _related(at, related, o)
                for related in describer(target.resource).related
            }
            texts.append(describe(target.resource, View(o, clock.now(), _events(at, o), others)))
    click.echo("\n\n\n".join(texts) if texts else "No resources found.")


def _objects(at: Session, target: Target, labels: str) -> list[Object]:
    place = at.namespace_of(target.resource)
    if target.name is not None:
        return [at.api.get(target.resource, place, target.name)]
    items: list[Object] = (at.api.list(target.resource, place, labels))["items"]
    return items


def _related(at: Session, related: Related, o: Object) -> list[Object]:
    place = related.namespace(o)
    answer = at.api.list(related.resource, place, related.labels(o), related.fields(o))
    items: list[Object] = answer["items"]
    return items


def _events(at: Session, o: Object) -> list[Object]:
    """What has been told about this very object, not about one of the same name before it."""
    # A node's events name it by its name and nothing else, and lie in the default namespace.
    terms = {"involvedObject.name": meta.name(o), "involvedObject.kind": o["kind"]}
    if place := meta.namespace(o):
        terms |= {"involvedObject.namespace": place, "involvedObject.uid": meta.uid(o)}
    fields = ",".join(f"{key}={value}" for key, value in terms.items())
    items: list[Object] = (at.api.list(EVENTS, place or "default", "", fields))["items"]
    return items
