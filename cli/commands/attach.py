"""Shell: `kl attach`: the streams of a container's own process, with the user's input and terminal where he
wants that.

Absent: kubectl's keys to detach.
After: k8s staging/src/k8s.io/kubectl/pkg/cmd/attach/attach.go.
"""

from __future__ import annotations

import click

from cli import pods
from cli.errors import CliError
from cli.session import namespace_option, session
from kube.api import meta
from kube.api.resources import PODS

FINISHED = ("Succeeded", "Failed")
HINT = "If you don't see a command prompt, try pressing enter."


@click.command("attach", options_metavar="[-it] [-c CONTAINER]")
@click.argument("words", nargs=-1, metavar="POD|TYPE/NAME|TYPE NAME")
@click.option("-c", "--container", help="Which container.  [default: the first]")
@click.option("-i", "--stdin", "has_input", is_flag=True, help="Give it your input.")
@click.option("-t", "--tty", "wants_terminal", is_flag=True, help="Give it your terminal.")
@click.option("-q", "--quiet", "is_quiet", is_flag=True, help="Say nothing but what the container says.")
@namespace_option
@click.pass_context
def command(
    context: click.Context,
    words: tuple[str, ...],
    container: str | None,
    has_input: bool,
    wants_terminal: bool,
    is_quiet: bool,
    namespace: str | None,
) -> None:
    """See what a container writes, and type to it: `kl attach web`, `kl attach -it shell`."""
    _check(words)
    at = session(context, namespace)
    pod = min(pods.pods_of(at, "/".join(words)), key=pods.by_readiness)
    phase = meta.get(pod, "status", "phase")
    if phase in FINISHED:
        raise CliError(f"cannot attach a container in a completed pod; current phase is {phase}")
    container = container or pods.chosen_container(pod, is_quiet=is_quiet)
    has_terminal = bool(pods.container_spec(pod, container).get("tty"))
    if wants_terminal and not has_terminal and not is_quiet:
        click.echo(f"error: Unable to use a TTY - container {container} did not allocate one", err=True)
    # Here, because a mistake in the command line needs none of them.
    from cli import remote_command, terminal

    in_terminal = has_terminal and has_input and terminal.is_terminal()
    if has_terminal and has_input and not in_terminal and not is_quiet:
        click.echo("Unable to use a TTY - input is not a terminal or the right kind of file", err=True)
    if not is_quiet:
        click.echo(HINT, err=True)
    streams = {"stdin": has_input, "stdout": True, "stderr": not in_terminal, "tty": in_terminal}
    query = [("container", container), *((name, "true") for name, is_wanted in streams.items() if is_wanted)]
    path = PODS.path(meta.namespace(pod), meta.name(pod), "attach")
    socket = at.api.websocket(path, query, (remote_command.V5, remote_command.V4))
    remote = remote_command.RemoteCommand(socket, remote_command.Streams.own(has_input=has_input))
    if not in_terminal:
        remote.run()
        return
    remote.run_in_terminal()
    if not is_quiet:
        again = f"kl attach {meta.name(pod)} -c {container} -i -t"
        click.echo(f"Session ended, resume using '{again}' command when the pod is running")


def _check(words: tuple[str, ...]) -> None:
    if not words:
        raise CliError("at least 1 argument is required for attach")
    if len(words) > 2:
        saw = f"saw {len(words)}: [{' '.join(words)}]"
        raise CliError(f"expected POD, TYPE/NAME, or TYPE NAME, (at most 2 arguments) {saw}")
