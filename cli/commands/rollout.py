"""Shell: `kl rollout`: follows a rollout, tells its history, and undoes, pauses, resumes or restarts it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import click

from cli import following, rollouts, targets
from cli.describers.text import Writer
from cli.describers.workload import write_template
from cli.errors import CliError
from cli.output import qualified_name
from cli.session import Session, namespace_option, session
from kube.api import meta
from kube.api.labels import Selector
from kube.api.meta import Object
from kube.api.resources import (
    CONTROLLER_REVISIONS,
    DAEMON_SETS,
    DEPLOYMENTS,
    REPLICA_SETS,
    STATEFUL_SETS,
    Resource,
)
from kube.base.clock import SystemClock

# Where each keeps its revisions.
KEPT_IN = {
    DEPLOYMENTS: REPLICA_SETS,
    DAEMON_SETS: CONTROLLER_REVISIONS,
    STATEFUL_SETS: CONTROLLER_REVISIONS,
}
RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"
words_argument = click.argument("words", nargs=-1, required=True)


@click.group("rollout")
def command() -> None:
    """Follow, undo, pause, resume or restart a rollout."""


@command.command("status")
@words_argument
@click.option("-w", "--watch/--no-watch", "watch", default=True, help="Follow it to its end.")
@click.option("--timeout", default="", help="How long to follow it.  [default: for ever]")
@namespace_option
@click.pass_context
def status(
    context: click.Context, words: tuple[str, ...], watch: bool, timeout: str, namespace: str | None
) -> None:
    """Follow a rollout until it has finished or failed."""
    seconds = following.seconds(timeout) if timeout not in ("", "0", "0s") else None
    for at, resource, o in _objects(context, words, namespace):
        said = ""
        try:
            for now in following.states(at, resource, meta.name(o), seconds):
                if now is None:
                    raise CliError("object has been deleted")
                text, finished = rollouts.status(now)
                if text != said:
                    click.echo(text)
                said = text
                if finished or not watch:
                    break
        except following.TimedOut:
            raise CliError("timed out waiting for the condition") from None


@command.command("history")
@words_argument
@click.option("--revision", type=int, default=0, help="Show the pod template of one revision.")
@namespace_option
@click.pass_context
def history(context: click.Context, words: tuple[str, ...], revision: int, namespace: str | None) -> None:
    """List the revisions of a Deployment, DaemonSet or StatefulSet."""
    for at, resource, o in _objects(context, words, namespace):
        known = _revisions(at, resource, o)
        name = qualified_name(resource, meta.name(o))
        if revision:
            _show_revision(name, revision, known)
            continue
        if not known:
            click.echo(f"{name} \nNo rollout history found.")
            continue
        out = Writer()
        for row in rollouts.history(known):
            out.line("\t".join(row))
        click.echo(f"{name} \n{out.text()}\n")


def _show_revision(name: str, revision: int, known: dict[int, Object]) -> None:
    if revision not in known:
        raise CliError("unable to find the specified revision")
    out = Writer()
    write_template(out, rollouts.shown_template(known[revision]))
    click.echo(f"{name} with revision #{revision}\n{out.raw()}\n")


@command.command("undo")
@words_argument
@click.option("--to-revision", type=int, default=0, help="Back to this one.  [default: the one before]")
@namespace_option
@click.pass_context
def undo(context: click.Context, words: tuple[str, ...], to_revision: int, namespace: str | None) -> None:
    """Give a Deployment, DaemonSet or StatefulSet the pod template of an earlier revision."""
    for at, resource, o in _objects(context, words, namespace):
        name = qualified_name(resource, meta.name(o))
        source = rollouts.earlier(_revisions(at, resource, o), to_revision, o)
        if o["spec"].get("paused"):
            raise CliError(
                "you cannot rollback a paused deployment; resume it first with "
                f'"kubectl rollout resume {name}" and try again'
            )
        if rollouts.template_of(source) == rollouts.template_of(o):
            click.echo(f"{name} skipped rollback (current template already matches revision {to_revision})")
            continue
        patch, form = rollouts.undoing(source)
        at.api.patch(resource, at.namespace_of(resource), meta.name(o), patch, form)
        click.echo(f"{name} rolled back")


@command.command("restart")
@words_argument
@namespace_option
@click.pass_context
def restart(context: click.Context, words: tuple[str, ...], namespace: str | None) -> None:
    """Replace all pods by new ones, as a rollout."""
    at_time = meta.format_time(SystemClock().now())
    patch = {"spec": {"template": {"metadata": {"annotations": {RESTARTED_AT: at_time}}}}}

    def check(o: Object) -> str:
        paused = o["spec"].get("paused")
        return "can't restart paused deployment (run rollout resume first)" if paused else ""

    _change(context, words, namespace, patch, check, "restarted")


@command.command("pause")
@words_argument
@namespace_option
@click.pass_context
def pause(context: click.Context, words: tuple[str, ...], namespace: str | None) -> None:
    """Let changes of the pod template wait."""

    def check(o: Object) -> str:
        return "is already paused" if o["spec"].get("paused") else ""

    _change(context, words, namespace, {"spec": {"paused": True}}, check, "paused")


@command.command("resume")
@words_argument
@namespace_option
@click.pass_context
def resume(context: click.Context, words: tuple[str, ...], namespace: str | None) -> None:
    """Go on with a paused rollout."""

    def check(o: Object) -> str:
        return "" if o["spec"].get("paused") else "is not paused"

    _change(context, words, namespace, {"spec": {"paused": None}}, check, "resumed")


def _change(
    context: click.Context,
    words: tuple[str, ...],
    namespace: str | None,
    patch: Object,
    check: Callable[[Object], str],
    done: str,
) -> None:
    """Patch each object, unless `check` says what is against it."""
    for at, resource, o in _objects(context, words, namespace):
        name = meta.name(o)
        if why := check(o):
            raise CliError(f'{resource.qualified} "{name}" {why}')
        at.api.patch(resource, at.namespace_of(resource), name, patch)
        click.echo(f"{qualified_name(resource, name)} {done}")


def _objects(
    context: click.Context, words: tuple[str, ...], namespace: str | None
) -> Iterator[tuple[Session, Resource, Object]]:
    at = session(context, namespace)
    for resource, name in targets.named(words):
        yield at, resource, at.api.get(resource, at.namespace_of(resource), name)


def _revisions(at: Session, resource: Resource, o: Object) -> dict[int, Object]:
    kept = KEPT_IN.get(resource)
    if kept is None:
        raise CliError(f"revisions of {resource.plural} are not known to kl")
    labels = str(Selector.from_label_selector(o["spec"]["selector"]))
    return rollouts.revisions(o, at.api.list(kept, at.namespace, labels)["items"])
