"""Shell: `kl delete`: deletes objects by name, by selector or from a file, and waits until they are gone."""

from __future__ import annotations

import time

import click

from cli import manifests, targets
from cli.errors import CliError
from cli.output import qualified_name
from cli.session import Session, namespace_option, session
from cli.targets import Target
from kube.api.errors import StatusError, is_not_found
from kube.api.meta import Object, name, namespace, uid

POLL_SECONDS = 0.2

# One object to delete: its target and its namespace.
Doomed = tuple[Target, str | None]


@click.command("delete")
@click.argument("words", nargs=-1)
@click.option("-f", "--filename", "sources", multiple=True, help="The objects of a file, a folder, or - .")
@namespace_option
@click.option("-l", "--selector", "labels", default="", help="All objects with these labels.")
@click.option("--all", "every", is_flag=True, help="All objects of the resource in the namespace.")
@click.option("--wait/--no-wait", default=True, help="Return when the objects are gone.  [default: wait]")
@click.option("--grace-period", type=int, help="Seconds a pod has to end.")
@click.option("--ignore-not-found", is_flag=True, help="Do not fail over what is gone already.")
@click.pass_context
def command(
    context: click.Context,
    words: tuple[str, ...],
    sources: tuple[str, ...],
    namespace: str | None,
    labels: str,
    every: bool,
    wait: bool,
    grace_period: int | None,
    ignore_not_found: bool,
) -> None:
    """Delete objects: `kl delete pod nginx`, `kl delete pods -l app=web`, `kl delete -f web.yaml`."""
    if bool(words) == bool(sources):
        raise CliError("say what to delete: either resources and names, or a file with -f")
    wanted = targets.parse(words) if words else []
    if words and not (labels or every) and any(target.name is None for target in wanted):
        raise CliError("name the objects, or choose them with -l or --all")
    documents = manifests.read(sources) if sources else []

    at = session(context, namespace)
    doomed = [(Target(resource, name(o)), at.namespace_for(resource, o)) for resource, o in documents]
    for target in wanted:
        doomed += _expand(at, target, labels)
    if not doomed:
        click.echo("No resources found", err=True)
    options: Object = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"}
    if grace_period is not None:
        options["gracePeriodSeconds"] = grace_period
    gone = [(each, _delete(at, each, options, ignore_not_found)) for each in doomed]
    if wait:
        for each, old in gone:
            _wait_gone(at, each, old)


def _expand(at: Session, target: Target, labels: str) -> list[Doomed]:
    place = at.namespace_of(target.resource)
    if target.name is not None:
        return [(target, place)]
    items = (at.api.list(target.resource, place, labels))["items"]
    return [(Target(target.resource, name(o)), namespace(o) or None) for o in items]


def _delete(at: Session, doomed: Doomed, options: Object, ignore: bool) -> str | None:
    """Delete one object; the answer is its uid, to know it from one made anew under its name."""
    target, place = doomed
    assert target.name is not None, "a deletion names its object"
    try:
        old = at.api.get(target.resource, place, target.name)
        at.api.delete(target.resource, place, target.name, options)
    except StatusError as error:
        if ignore and is_not_found(error):
            return None
        raise
    click.echo(f'{qualified_name(target.resource, "")[:-1]} "{target.name}" deleted')
    return uid(old)


def _wait_gone(at: Session, doomed: Doomed, old: str | None) -> None:
    target, place = doomed
    while old is not None:
        try:
            if uid(at.api.get(target.resource, place, target.name or "")) != old:
                return
        except StatusError as error:
            if is_not_found(error):
                return
            raise
        time.sleep(POLL_SECONDS)  # noqa: TID251 -- a command has nothing else to do
