"""Shell: `kl get`: objects as the server lays them out, or whole in the form asked for; `-w` goes on."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import click

from cli import columns, jsonpath, output, targets
from cli.errors import CliError
from cli.session import Session, namespace_option, session
from cli.targets import Target
from kube.api import meta
from kube.api.meta import Object

ACCEPT_TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
FORMATS = ("wide", "yaml", "json", "name", "jsonpath", "custom-columns")


@dataclass(frozen=True, slots=True)
class Selection:
    """Which objects of a collection are wanted, how they are shown, and in which order."""

    labels: str
    fields: str
    form: str
    argument: str
    sort_by: str

    @property
    def as_tables(self) -> bool:
        return self.form in ("", "wide")


@click.command("get")
@click.argument("words", nargs=-1)
@namespace_option
@click.option("-A", "--all-namespaces", is_flag=True, help="Objects of every namespace.")
@click.option("-o", "--output", "form", default="", help=f"How to show them: {', '.join(FORMATS)}.")
@click.option("-l", "--selector", "labels", default="", help="Only objects with these labels.")
@click.option("--field-selector", "fields", default="", help="Only objects with these fields.")
@click.option("--sort-by", default="", help="A JSONPath such as .metadata.creationTimestamp.")
@click.option("-w", "--watch", is_flag=True, help="Show changes, too, as they happen.")
@click.pass_context
def command(
    context: click.Context,
    words: tuple[str, ...],
    namespace: str | None,
    all_namespaces: bool,
    form: str,
    labels: str,
    fields: str,
    sort_by: str,
    watch: bool,
) -> None:
    """Show objects: `kl get pods`, `kl get po,deploy -A`, `kl get deploy/nginx -o yaml`."""
    wanted = targets.parse(words)
    form, _, argument = form.partition("=")
    if form and form not in FORMATS:
        raise CliError(f'unable to match a printer suitable for the output format "{form}"')
    selection = Selection(labels, fields, form, argument, sort_by)
    if any(target.name for target in wanted) and (labels or fields or all_namespaces):
        raise CliError("a name and a selector (or -A) exclude each other")
    at = session(context, namespace, all_namespaces=all_namespaces)
    if watch:
        if len(wanted) > 1:
            raise CliError("you may only specify a single resource type")
        _watch(at, wanted[0], selection)
    elif selection.as_tables:
        _show_tables(at, wanted, selection)
    else:
        _show_objects(at, wanted, selection)


def _show_tables(at: Session, wanted: Sequence[Target], selection: Selection) -> None:
    """One Table a resource; objects asked for by name share the Table of their resource."""
    tables: dict[Target, Object] = {}
    for target in wanted:
        table = _table(at, target, selection)
        known = tables.setdefault(Target(target.resource), table)
        if known is not table:
            known["rows"] += table["rows"]
    shown = {target: table for target, table in tables.items() if table["rows"]}
    if not shown:
        place = f" in {at.namespace} namespace" if at.namespace_of(wanted[0].resource) else ""
        click.echo(f"No resources found{place}" + ("." if place else ""), err=True)
    texts = [
        output.table_text(
            table,
            wide=selection.form == "wide",
            with_namespace=at.namespace is None and target.resource.namespaced,
            prefix=output.qualified_name(target.resource, "") if len(tables) > 1 else "",
        )
        for target, table in shown.items()
    ]
    if texts:
        click.echo("\n\n".join(texts))


def _table(at: Session, target: Target, selection: Selection) -> Object:
    path = target.resource.path(at.namespace_of(target.resource), target.name)
    parameters = {"labelSelector": selection.labels, "fieldSelector": selection.fields}
    if selection.sort_by:
        parameters["includeObject"] = "Object"
    table = at.api.call("GET", path, accept=ACCEPT_TABLE, **parameters)
    table["rows"] = table.get("rows") or []
    if selection.sort_by:
        table["rows"].sort(key=lambda row: columns.sort_key(selection.sort_by, row["object"]))
    return table


def _show_objects(at: Session, wanted: Sequence[Target], selection: Selection) -> None:
    objects = [(target, o) for target in wanted for o in _objects(at, target, selection)]
    if selection.sort_by:
        objects.sort(key=lambda each: columns.sort_key(selection.sort_by, each[1]))
    items = [o for _, o in objects]
    if selection.form == "name":
        for target, o in objects:
            click.echo(output.qualified_name(target.resource, meta.name(o)))
    elif selection.form == "custom-columns":
        click.echo(columns.custom(selection.argument, items))
    elif len(wanted) == 1 and wanted[0].name is not None:
        _show(items[0], selection)
    else:
        listed = {"apiVersion": "v1", "items": items, "kind": "List", "metadata": {"resourceVersion": ""}}
        _show(listed, selection)


def _show(document: Object, selection: Selection) -> None:
    if selection.form == "jsonpath":
        click.echo(jsonpath.render(selection.argument, document), nl=False)
    else:
        click.echo(output.as_yaml(document) if selection.form == "yaml" else output.as_json(document))


def _objects(at: Session, target: Target, selection: Selection) -> list[Object]:
    place = at.namespace_of(target.resource)
    if target.name is not None:
        return [output.without_managed_fields(at.api.get(target.resource, place, target.name))]
    items = at.api.list(target.resource, place, selection.labels, selection.fields)["items"]
    return [output.without_managed_fields(item) for item in items]


def _watch(at: Session, target: Target, selection: Selection) -> None:
    """The objects as they are, then one line or document for each change."""
    if not selection.as_tables:
        for o in _changes(at, target, selection, "application/json", ""):
            shown = output.without_managed_fields(o)
            if selection.form == "name":
                click.echo(output.qualified_name(target.resource, meta.name(shown)))
            elif selection.form == "custom-columns":
                click.echo(columns.custom(selection.argument, [shown]))
            else:
                click.echo("---" if selection.form == "yaml" else "", nl=selection.form == "yaml")
                _show(shown, selection)
        return
    table = _table(at, target, selection)
    definitions, version = table["columnDefinitions"], meta.resource_version(table)
    lines = _Lines(wide=selection.form == "wide", with_namespace=at.namespace is None)
    if table["rows"]:
        lines.show(table)
    for change in _changes(at, target, selection, ACCEPT_TABLE, version):
        lines.show({**change, "columnDefinitions": definitions})


class _Lines:
    """Prints Tables below each other in columns that only grow, under one header."""

    def __init__(self, *, wide: bool, with_namespace: bool) -> None:
        self._wide = wide
        self._with_namespace = with_namespace
        self._widths: list[int] = []

    def show(self, table: Object) -> None:
        rows = output.table_rows(table, wide=self._wide, with_namespace=self._with_namespace)
        fresh = output.widths_of(rows if not self._widths else rows[1:])
        shown = rows[1:] if self._widths else rows
        self._widths = [max(pair) for pair in zip(self._widths or fresh, fresh, strict=True)]
        for row in shown:
            click.echo(output.GAP.join(map(str.ljust, row, self._widths)).rstrip())


def _changes(at: Session, target: Target, selection: Selection, accept: str, version: str) -> Iterator[Any]:
    """What a watch from `version` on tells; without one, everything there is comes first."""
    fields = f"metadata.name={target.name}" if target.name else selection.fields
    parameters = {"labelSelector": selection.labels, "fieldSelector": fields, "resourceVersion": version}
    path = target.resource.path(at.namespace_of(target.resource))
    for line in at.api.lines(path, accept, watch="true", **parameters):
        event = json.loads(line)
        if event["type"] == "ERROR":
            raise CliError(event["object"].get("message", "the watch ended with an error"))
        yield event["object"]
