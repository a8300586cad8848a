"""Shell: `kl logs`: prints what a container wrote, and with `-f` what it writes from now on."""

from __future__ import annotations

import sys

import click

from cli import pods
from cli.output import qualified_name
from cli.session import namespace_option, session
from kube.api import meta
from kube.api.resources import PODS


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
    found = sorted(pods.pods_of(at, word), key=pods.by_age)
    pod = found[0]
    if len(found) > 1:
        click.echo(f"Found {len(found)} pods, using {qualified_name(PODS, meta.name(pod))}", err=True)
    flags = {"follow": follow, "previous": previous, "timestamps": timestamps}
    parameters = {name: "true" for name, given in flags.items() if given}
    if tail >= 0:
        parameters["tailLines"] = str(tail)
    parameters["container"] = container or container_word or pods.chosen_container(pod)
    path = PODS.path(meta.namespace(pod), meta.name(pod), "log")
    for line in at.api.lines(path, "*/*", **parameters):
        sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()
