"""Shell: `kl exec`: runs a command in a container, with the user's input and terminal where he wants that.

After: k8s staging/src/k8s.io/kubectl/pkg/cmd/exec/exec.go.
"""

from __future__ import annotations

import sys

import click

from cli import pods
from cli.errors import CliError
from cli.session import namespace_option, session
from kube.api import meta
from kube.api.resources import PODS

FINISHED = ("Succeeded", "Failed")
COMMAND = "command"


class DashedCommand(click.Command):
    """Leaves what follows `--` alone; it is the command for the container."""

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        at = args.index("--") if "--" in args else len(args)
        context.meta[COMMAND] = args[at + 1 :]
        return super().parse_args(context, args[:at])


@click.command("exec", cls=DashedCommand, options_metavar="[-it] [-c CONTAINER]")
@click.argument("words", nargs=-1, metavar="POD|TYPE/NAME -- COMMAND [ARGS]...")
@click.option("-c", "--container", help="Which container.  [default: the first]")
@click.option("-i", "--stdin", "has_input", is_flag=True, help="Give it your input.")
@click.option("-t", "--tty", "wants_terminal", is_flag=True, help="Give it your terminal.")
@click.option("-q", "--quiet", "is_quiet", is_flag=True, help="Say nothing but what the command says.")
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
    """Run a command in a container: `kl exec web -- date`, `kl exec -it deploy/web -- sh`."""
    program: list[str] = context.meta[COMMAND]
    _check(words, program)
    at = session(context, namespace)
    pod = min(pods.pods_of(at, words[0]), key=pods.by_readiness)
    phase = meta.get(pod, "status", "phase")
    if phase in FINISHED:
        raise CliError(f"cannot exec into a container in a completed pod; current phase is {phase}")
    container = container or pods.chosen_container(pod, is_quiet=is_quiet)
    # Here, because a mistake in the command line needs none of them.
    from cli import remote_command, terminal

    in_terminal = has_input and wants_terminal and terminal.is_terminal()
    if has_input and wants_terminal and not in_terminal and not is_quiet:
        click.echo("Unable to use a TTY - input is not a terminal or the right kind of file", err=True)
    streams = {"stdin": has_input, "stdout": True, "stderr": not in_terminal, "tty": in_terminal}
    query = [("container", container), *(("command", word) for word in program)]
    query += [(name, "true") for name, is_wanted in streams.items() if is_wanted]
    path = PODS.path(meta.namespace(pod), meta.name(pod), "exec")
    socket = at.api.websocket(path, query, (remote_command.V5, remote_command.V4))
    remote = remote_command.RemoteCommand(socket, remote_command.Streams.own(has_input=has_input))
    code = remote.run_in_terminal() if in_terminal else remote.run()
    if code:
        click.echo(f"command terminated with exit code {code}", err=True)
        sys.exit(code)


def _check(words: tuple[str, ...], program: list[str]) -> None:
    """CliError for a command line that is not whole."""
    if not words:
        raise CliError("pod or type/name must be specified")
    if not program and len(words) > 1:
        raise CliError(
            "exec [POD] [COMMAND] is not supported anymore. Use exec [POD] -- [COMMAND] instead\n"
            "See 'kl exec -h' for help and examples"
        )
    if not program:
        raise CliError("you must specify at least one command for the container")
