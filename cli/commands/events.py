"""Shell: `kl events`: what happened, the latest last."""

from __future__ import annotations

import json

import click

from cli import output, targets
from cli.describers import events
from cli.session import Session, namespace_option, session
from kube.api import meta
from kube.api.meta import Object
from kube.api.resources import EVENTS
from kube.base.clock import SystemClock

HEADER = ["LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"]


@click.command("events")
@namespace_option
@click.option("-A", "--all-namespaces", is_flag=True, help="Events of every namespace.")
@click.option("--for", "about", help="Only those about one object: pod/nginx.")
@click.option("--types", default="", help="Only these types: Warning,Normal.")
@click.option("-w", "--watch", is_flag=True, help="Go on as events happen.")
@click.pass_context
def command(
    context: click.Context,
    namespace: str | None,
    all_namespaces: bool,
    about: str | None,
    types: str,
    watch: bool,
) -> None:
    """List what happened: `kl events`, `kl events --for deploy/nginx`."""
    at = session(context, namespace, all_namespaces=all_namespaces)
    fields, kinds = _fields(about), {each.lower() for each in types.split(",") if each}
    answer = at.api.list(EVENTS, at.namespace, fields=fields)
    shown = [each for each in answer["items"] if not kinds or each.get("type", "").lower() in kinds]
    if not shown and not watch:
        place = f"{at.namespace} namespace" if at.namespace else "any namespace"
        click.echo(f"No events found{'' if all_namespaces else f' in {place}'}.", err=True)
        return
    rows = [_row(event, with_namespace=all_namespaces) for event in sorted(shown, key=events.last_time)]
    header = ["NAMESPACE", *HEADER] if all_namespaces else HEADER
    click.echo(output.aligned([header, *rows]))
    if watch:
        _follow(at, fields, kinds, meta.resource_version(answer))


def _follow(at: Session, fields: str, kinds: set[str], version: str) -> None:
    parameters = {"watch": "true", "fieldSelector": fields, "resourceVersion": version}
    for line in at.api.lines(EVENTS.path(at.namespace), **parameters):
        change = json.loads(line)
        event = change["object"]
        if change["type"] != "DELETED" and (not kinds or event.get("type", "").lower() in kinds):
            click.echo(output.aligned([_row(event, with_namespace=at.namespace is None)]))


def _fields(about: str | None) -> str:
    if not about:
        return ""
    resource, name = targets.named([about])[0]
    return f"involvedObject.kind={resource.kind},involvedObject.name={name}"


def _row(event: Object, *, with_namespace: bool) -> list[str]:
    what = event.get("involvedObject") or {}
    row = [
        events.interval(event, SystemClock().now()),
        event.get("type", ""),
        event.get("reason", ""),
        f"{what.get('kind')}/{what.get('name')}",
        (event.get("message") or "").strip(),
    ]
    return [meta.namespace(event), *row] if with_namespace else row
