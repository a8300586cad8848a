"""Shell: `kl logs`: prints what a container wrote, and with `-f` what it writes from now on."""

from __future__ import annotations

import sys

import click

from cli import targets
from cli.errors import CliError
from cli.output import qualified_name
from cli.session import Session, namespace_option, session
from kube.api import meta
from kube.api.labels import Selector
from kube.api.meta import Object
from kube.api.resources import PODS

DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"


@click.command("logs")
@click.argument("word")
@click.argument("container_word", required=False)
@click.option("-c", "--container", help="Which container.  [default: the first]")
@click.option("-f", "--follow", is_flag=True, help="Go on until the container ends.")
@click.option("-p", "--previous", is_flag=True, help="The container that ran before.")
@click.option("--tail", type=int, default=-1, help="Only so many lines from the end.")
@click.option("--timestamps", is_flag=True, help="The time before each line.")
@namespace_option
@click.pass_context
def command(
    context: click.Context,
    word: str,
    container_word: str | None,
    container: str | None,
    follow: bool,
    previous: bool,
    tail: int,
    timestamps: bool,
    namespace: str | None,
) -> None:
    """Print a container's log: `kl logs nginx`, `kl logs -f deploy/nginx -c web`."""
    at = session(context, namespace)
    pod = _pod(at, word)
    flags = {"follow": follow, "previous": previous, "timestamps": timestamps}
    parameters = {name: "true" for name, given in flags.items() if given}
    if tail >= 0:
        parameters["tailLines"] = str(tail)
    parameters["container"] = container or container_word or _default_container(pod)
    path = PODS.path(meta.namespace(pod), meta.name(pod), "log")
    for line in at.api.lines(path, "*/*", **parameters):
        sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()


def _pod(at: Session, word: str) -> Object:
    """The pod of that name, or one of those behind an object."""
    resource, name = targets.named([word if "/" in word else f"pods/{word}"])[0]
    o = at.api.get(resource, at.namespace_of(resource), name)
    if resource is PODS:
        return o
    selector = meta.get(o, "spec", "selector")
    if not selector:
        raise CliError(f"cannot get the logs of {qualified_name(resource, name)}: it selects no pods")
    has_terms = {"matchLabels", "matchExpressions"} & set(selector)
    labels = Selector.from_label_selector(selector) if has_terms else Selector.from_set(selector)
    pods = at.api.list(PODS, at.namespace, str(labels))["items"]
    if not pods:
        raise CliError(f"no pods behind {qualified_name(resource, name)}")
    # As kubectl: a running one before one that waits, the oldest of them first.
    pods.sort(key=lambda pod: (meta.get(pod, "status", "phase") != "Running", meta.creation_time(pod)))
    if len(pods) > 1:
        click.echo(f"Found {len(pods)} pods, using {qualified_name(PODS, meta.name(pods[0]))}", err=True)
    found: Object = pods[0]
    return found


def _default_container(pod: Object) -> str:
    names = [each["name"] for each in pod["spec"]["containers"]]
    chosen = meta.annotations(pod).get(DEFAULT_CONTAINER)
    if chosen in names:
        return str(chosen)
    if len(names) > 1:
        click.echo(f'Defaulted container "{names[0]}" out of: {", ".join(names)}', err=True)
    return str(names[0])
