"""Shell: `kl get`: lists objects as the server lays them out, or whole as YAML, JSON or names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import click

from cli import output, targets
from cli.errors import CliError
from cli.session import Session, namespace_option, run
from cli.targets import Target
from kube.api.meta import Object, name

ACCEPT_TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
FORMATS = ("wide", "yaml", "json", "name")


@dataclass(frozen=True, slots=True)
class Selection:
    """Which objects of a collection are wanted."""

    labels: str
    fields: str

    def parameters(self) -> dict[str, str]:
        return {"labelSelector": self.labels, "fieldSelector": self.fields}


@click.command("get")
@click.argument("words", nargs=-1)
@namespace_option
@click.option("-A", "--all-namespaces", is_flag=True, help="Objects of every namespace.")
@click.option("-o", "--output", "form", type=click.Choice(FORMATS), help="How to show them.")
@click.option("-l", "--selector", "labels", default="", help="Only objects with these labels.")
@click.option("--field-selector", "fields", default="", help="Only objects with these fields.")
@click.pass_context
def command(
    context: click.Context,
    words: tuple[str, ...],
    namespace: str | None,
    all_namespaces: bool,
    form: str | None,
    labels: str,
    fields: str,
) -> None:
    """Show objects: `kl get pods`, `kl get po,deploy -A`, `kl get deploy/nginx -o yaml`."""
    wanted = targets.parse(words)
    selection = Selection(labels, fields)
    if any(target.name for target in wanted) and (labels or fields or all_namespaces):
        raise CliError("a name and a selector (or -A) exclude each other")

    async def carry_out(session: Session) -> None:
        if form in (None, "wide"):
            await _show_tables(session, wanted, selection, wide=form == "wide")
        else:
            await _show_objects(session, wanted, selection, str(form))

    run(context, carry_out, namespace, all_namespaces=all_namespaces)


async def _show_tables(
    session: Session, wanted: Sequence[Target], selection: Selection, *, wide: bool
) -> None:
    """One Table a resource; objects asked for by name share the Table of their resource."""
    tables: dict[Target, Object] = {}
    for target in wanted:
        path = target.resource.path(session.namespace_of(target.resource), target.name)
        parameters = {} if target.name else selection.parameters()
        table = await session.read(path, ACCEPT_TABLE, **parameters)
        known = tables.setdefault(Target(target.resource), table)
        if known is not table:
            known["rows"] += table["rows"]
    shown = {target: table for target, table in tables.items() if table["rows"]}
    if not shown:
        place = f" in {session.namespace} namespace" if session.namespace_of(wanted[0].resource) else ""
        click.echo(f"No resources found{place}.", err=True)
    texts = [
        output.table_text(
            table,
            wide=wide,
            with_namespace=session.namespace is None and target.resource.namespaced,
            prefix=output.qualified_name(target.resource, "") if len(tables) > 1 else "",
        )
        for target, table in shown.items()
    ]
    if texts:
        click.echo("\n\n".join(texts))


async def _show_objects(session: Session, wanted: Sequence[Target], selection: Selection, form: str) -> None:
    objects = [(target, o) for target in wanted for o in await _objects(session, target, selection)]
    if form == "name":
        for target, o in objects:
            click.echo(output.qualified_name(target.resource, name(o)))
        return
    items = [o for _, o in objects]
    one = len(wanted) == 1 and wanted[0].name is not None
    document = (
        items[0]
        if one
        else {"apiVersion": "v1", "items": items, "kind": "List", "metadata": {"resourceVersion": ""}}
    )
    click.echo(output.as_yaml(document) if form == "yaml" else output.as_json(document))


async def _objects(session: Session, target: Target, selection: Selection) -> list[Object]:
    namespace = session.namespace_of(target.resource)
    if target.name is not None:
        return [await session.client.get(target.resource, namespace, target.name)]
    answer = await session.client.list(target.resource, namespace, selection.labels, selection.fields)
    items: list[Object] = answer["items"]
    return items
