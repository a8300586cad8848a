"""Shell: `kl logs`: prints what containers wrote, and with `-f` what one writes from now on.

Absent: following several containers at once.
After: k8s staging/src/k8s.io/kubectl/pkg/cmd/logs/logs.go, pkg/polymorphichelpers/logsforobject.go.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import timedelta

import click

from cli import pods
from cli.errors import CliError
from cli.output import qualified_name
from cli.session import Session, namespace_option, session
from kube.api import errors, meta
from kube.api.errors import StatusError
from kube.api.meta import Object
from kube.api.resources import PODS
from kube.base.flags import DURATION

# With a selector, so many lines of each, unless the user says otherwise.
SELECTED_TAIL = 10


@dataclass(frozen=True, slots=True)
class Source:
    """One container's log. `prefix`: before each line."""

    pod: Object
    container: str
    prefix: bytes


@click.command("logs")
@click.argument("word", required=False)
@click.argument("container_word", required=False)
@click.option("-c", "--container", help="Which container.  [default: the first]")
@click.option("--all-containers", is_flag=True, help="All containers of the pod.")
@click.option("-l", "--selector", help="All pods with these labels.")
@click.option("-f", "--follow", is_flag=True, help="Go on until the container ends.")
@click.option("-p", "--previous", is_flag=True, help="The container that ran before.")
@click.option("--tail", type=int, help="Only so many lines from the end.  [default: all; 10 with -l]")
@click.option("--since", type=DURATION, help="Only lines of that last time, such as 5s, 2m, 3h.")
@click.option("--since-time", help="Only lines after that instant (RFC 3339).")
@click.option("--limit-bytes", type=int, help="Only so many bytes.")
@click.option("--timestamps", is_flag=True, help="The time before each line.")
@click.option("--prefix", is_flag=True, help="The pod and the container before each line.")
@namespace_option
@click.pass_context
def command(
    context: click.Context,
    word: str | None,
    container_word: str | None,
    container: str | None,
    all_containers: bool,
    selector: str | None,
    follow: bool,
    previous: bool,
    tail: int | None,
    since: timedelta | None,
    since_time: str | None,
    limit_bytes: int | None,
    timestamps: bool,
    prefix: bool,
    namespace: str | None,
) -> None:
    """Print a container's log: `kl logs nginx`, `kl logs -f deploy/nginx -c web`, `kl logs -l app=web`."""
    _check(word, container_word, container, selector, since, since_time, all_containers=all_containers)
    if tail is None and selector:
        tail = SELECTED_TAIL
    flags = {"follow": follow, "previous": previous, "timestamps": timestamps}
    parameters = {name: "true" for name, given in flags.items() if given}
    if tail is not None and tail >= 0:
        parameters["tailLines"] = str(tail)
    if since is not None:
        parameters["sinceSeconds"] = str(max(round(since.total_seconds()), 1))
    if since_time:
        parameters["sinceTime"] = since_time
    if limit_bytes:
        parameters["limitBytes"] = str(limit_bytes)
    at = session(context, namespace)
    sources = _sources(at, word, selector, container or container_word, all_containers, prefix)
    if follow and len(sources) > 1:
        raise CliError(
            f"one container is followed at a time, and these are {len(sources)}: choose one with -c"
        )
    for source in sources:
        _print(at, source, parameters)


def _check(
    word: str | None,
    container_word: str | None,
    container: str | None,
    selector: str | None,
    since: timedelta | None,
    since_time: str | None,
    *,
    all_containers: bool,
) -> None:
    """CliError for what does not go together."""
    if not word and not selector:
        raise CliError(
            "expected 'logs [-f] [-p] (POD | TYPE/NAME) [-c CONTAINER]'.\nSee 'kl logs -h' for help"
        )
    if word and selector:
        raise CliError("only a selector (-l) or a POD name is allowed")
    if since is not None and since_time:
        raise CliError("at most one of `sinceTime` or `sinceSeconds` may be specified")
    if all_containers and (container or container_word):
        name = container or container_word
        raise CliError(f"--all-containers=true should not be specified with container name {name}")


def _sources(
    at: Session, word: str | None, selector: str | None, name: str | None, all_containers: bool, prefix: bool
) -> list[Source]:
    if selector:
        found: list[Object] = at.api.list(PODS, at.namespace, selector)["items"]
        if not found:
            where = f" in {at.namespace} namespace" if at.namespace else ""
            click.echo(f"No resources found{where}.", err=True)
    else:
        assert word, "there is a word where there is no selector"
        behind = sorted(_behind(at, word), key=pods.by_age)
        found = behind[:1]
        if len(behind) > 1:
            click.echo(
                f"Found {len(behind)} pods, using {qualified_name(PODS, meta.name(found[0]))}", err=True
            )
    return [
        Source(pod, container, f"[pod/{meta.name(pod)}/{container}] ".encode() if prefix else b"")
        for pod in found
        for container in (pods.container_names(pod) if all_containers else [_chosen(pod, name)])
    ]


def _behind(at: Session, word: str) -> list[Object]:
    """The pods; what is not there is missed in the words of this command alone."""
    try:
        return pods.pods_of(at, word)
    except StatusError as error:
        if not errors.is_not_found(error):
            raise
        where = f'in namespace "{at.namespace}"'
        raise CliError(f"error from server (NotFound): {error.message} {where}") from error


def _chosen(pod: Object, name: str | None) -> str:
    if name and name not in pods.container_names(pod):
        raise CliError(f"container {name} is not valid for pod {meta.name(pod)}")
    return name or pods.chosen_container(pod)


def _print(at: Session, source: Source, parameters: dict[str, str]) -> None:
    path = PODS.path(meta.namespace(source.pod), meta.name(source.pod), "log")
    for line in at.api.lines(path, "*/*", container=source.container, **parameters):
        sys.stdout.buffer.write(source.prefix + line)
        sys.stdout.buffer.flush()
