"""Shell: `kl wait`: until a condition holds, a value is there, or an object is gone."""

from __future__ import annotations

from collections.abc import Callable

import click

from cli import following, jsonpath, targets
from cli.errors import CliError
from cli.output import qualified_name
from cli.session import Session, namespace_option, session
from kube.api import meta
from kube.api.meta import Object
from kube.api.resources import Resource

# Whether what is waited for has come; None stands for an object that is not there.
Test = Callable[[Object | None], bool]


@click.command("wait")
@click.argument("words", nargs=-1, required=True)
@click.option(
    "--for", "what", required=True, help="delete, create, condition=NAME[=VALUE], jsonpath={PATH}=VALUE."
)
@click.option("--timeout", default="30s", help="How long to wait for each object.")
@click.option("-l", "--selector", "labels", default="", help="The objects with these labels.")
@click.option("--all", "every", is_flag=True, help="All objects of the resource in the namespace.")
@namespace_option
@click.pass_context
def command(
    context: click.Context,
    words: tuple[str, ...],
    what: str,
    timeout: str,
    labels: str,
    every: bool,
    namespace: str | None,
) -> None:
    """Wait: `kl wait pod/nginx --for=condition=Ready --timeout=60s`."""
    test = _test(what)
    at = session(context, namespace)
    wanted = _named(at, words, labels) if labels or every else targets.named(words)
    if not wanted:
        raise CliError("no matching resources found")
    for resource, name in wanted:
        if what != "create" and what != "delete":
            at.api.get(resource, at.namespace_of(resource), name)
        _wait(at, resource, name, test, following.seconds(timeout))


def _named(at: Session, words: tuple[str, ...], labels: str) -> list[tuple[Resource, str]]:
    return [
        (target.resource, meta.name(o))
        for target in targets.parse(words)
        for o in at.api.list(target.resource, at.namespace_of(target.resource), labels)["items"]
    ]


def _wait(at: Session, resource: Resource, name: str, test: Test, seconds: float) -> None:
    try:
        for o in following.states(at, resource, name, seconds):
            if test(o):
                click.echo(f"{qualified_name(resource, name)} condition met")
                return
    except following.TimedOut:
        raise CliError(f"timed out waiting for the condition on {resource.plural}/{name}") from None


def _test(what: str) -> Test:
    kind, _, rest = what.partition("=")
    if kind == "delete":
        return lambda o: o is None
    if kind == "create":
        return lambda o: o is not None
    if kind == "condition":
        name, _, value = rest.partition("=")
        return lambda o: o is not None and _holds(o, name, value or "true")
    if kind == "jsonpath":
        path, _, value = rest.rpartition("=") if "=" in rest.rpartition("}")[2] else (rest, "", "")
        return lambda o: o is not None and _is(jsonpath.values(path, o), value)
    raise CliError(f"unrecognized condition: {what!r}")


def _holds(o: Object, name: str, value: str) -> bool:
    """Whether the condition has the value, and was written after the latest change of the spec."""
    known = meta.get(o, "status", "conditions", default=())
    condition = next((each for each in known if each["type"].lower() == name.lower()), None)
    if condition is None:
        return False
    observed = condition.get("observedGeneration", meta.get(o, "status", "observedGeneration"))
    if observed is not None and observed < meta.generation(o):
        return False
    return str(condition["status"]).lower() == value.lower()


def _is(found: list[object], value: str) -> bool:
    return bool(found) and (not value or jsonpath.text(found[0]) == value)
