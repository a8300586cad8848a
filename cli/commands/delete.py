"""Shell: `kl delete`: deletes objects by name, by selector or from a file, and waits until they are gone."""

from __future__ import annotations

import asyncio

import click

from cli import manifests, targets
from cli.errors import CliError
from cli.output import qualified_name
from cli.session import Session, namespace_option, run
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

    async def carry_out(session: Session) -> None:
        doomed = [_from_document(session, Target(resource, name(o)), o) for resource, o in documents]
        for target in wanted:
            doomed += await _expand(session, target, labels)
        gone = [await _delete(session, each, grace_period, ignore_not_found) for each in doomed]
        if wait:
            await asyncio.gather(
                *(_wait_gone(session, each, old) for each, old in zip(doomed, gone, strict=True))
            )

    run(context, carry_out, namespace)


def _from_document(session: Session, target: Target, o: Object) -> Doomed:
    return target, namespace(o) or session.namespace_of(target.resource)


async def _expand(session: Session, target: Target, labels: str) -> list[Doomed]:
    place = session.namespace_of(target.resource)
    if target.name is not None:
        return [(target, place)]
    items = (await session.client.list(target.resource, place, labels))["items"]
    return [(Target(target.resource, name(o)), namespace(o) or None) for o in items]


async def _delete(session: Session, doomed: Doomed, grace_period: int | None, ignore: bool) -> str | None:
    """Delete one object; the answer is its uid, to know it from one made anew under its name."""
    target, place = doomed
    assert target.name is not None, "a deletion names its object"
    try:
        old = await session.client.get(target.resource, place, target.name)
        await session.client.delete(
            target.resource,
            place,
            target.name,
            grace_period_seconds=grace_period,
            propagation_policy="Background",
        )
    except StatusError as error:
        if ignore and is_not_found(error):
            return None
        raise
    click.echo(f'{qualified_name(target.resource, "")[:-1]} "{target.name}" deleted')
    return uid(old)


async def _wait_gone(session: Session, doomed: Doomed, old: str | None) -> None:
    target, place = doomed
    while old is not None:
        try:
            if uid(await session.client.get(target.resource, place, target.name or "")) != old:
                return
        except StatusError as error:
            if is_not_found(error):
                return
            raise
        await asyncio.sleep(POLL_SECONDS)
