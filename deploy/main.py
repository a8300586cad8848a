"""Shell: the launcher's command line; the scripts `deploy/up` and `deploy/down` end here.

Every failure a user can mend is one line on stderr and exit code 1: our own `LaunchError`, a component's
`StartupError`, and what the operating system refuses (a full disk, a missing permission), which names the
file.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import functools
import sys
from collections.abc import Callable
from pathlib import Path

import click

from deploy import claims, launch, pods, routes, state, stop
from deploy import logs as log_files
from deploy.errors import LaunchError
from deploy.layout import PORT_BASE_DEFAULT, Layout
from deploy.usable import wait_usable
from kube.base.clock import SystemClock
from kube.base.run import StartupError, run

WAYS_OUT = {
    errno.EACCES: "use a --data-dir of your own, or give this user the right to write there",
    errno.EPERM: "use a --data-dir of your own, or give this user the right to write there",
    errno.ENOSPC: "free some space, or use a --data-dir on another disk",
    errno.EDQUOT: "free some space, or use a --data-dir on another disk",
    errno.EROFS: "use a --data-dir on a disk that can be written",
}
PROJECT = Path(__file__).resolve().parent.parent

data_dir_option = click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    default=PROJECT / ".kubelite",
    help="Where the cluster's data, certificates and logs lie.  [default: .kubelite beside deploy/]",
)


def mendable(function: Callable[..., None]) -> Callable[..., None]:
    """Turn a failure the user can mend into one line and exit code 1."""

    @functools.wraps(function)
    def wrapped(*args: object, **options: object) -> None:
        try:
            function(*args, **options)
        except (LaunchError, StartupError) as error:
            message = str(error)
        except OSError as error:
            way_out = WAYS_OUT.get(error.errno or 0)
            parts = (error.filename or "kubelite", error.strerror, way_out)
            message = ": ".join(str(part) for part in parts if part)
        else:
            return
        click.echo(f"error: {message}", err=True)
        sys.exit(1)

    return wrapped


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Start, stop, look at and break a kubelite cluster on this machine."""


@main.command()
@data_dir_option
@click.option(
    "--port-base",
    type=int,
    help=f"First of the 80 ports of the control plane.  [default: as before, or {PORT_BASE_DEFAULT}]",
)
@click.option(
    "--topology",
    "topology_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Which processes to start.  [default: as before, or deploy/topology.yaml]",
)
@click.option("--foreground", is_flag=True, help="Stay, and end everything on Ctrl-C.")
@mendable
def up(data_dir: Path, port_base: int | None, topology_file: Path | None, foreground: bool) -> None:
    """Start the cluster and return when it is usable."""
    data_dir, clock = data_dir.absolute(), SystemClock()
    topology = launch.load_topology(topology_file) if topology_file else None
    plan = launch.prepare(data_dir, port_base, topology, clock)
    if plan is None:
        _already_running(data_dir)
        return
    click.echo(f"Starting cluster {plan.layout.number} in {data_dir}: {len(plan.processes)} processes ...")
    if hint := claims.low_port_hint():
        click.echo(hint)
    if foreground:
        try:
            run(launch.run_in_foreground, plan, clock, click.echo, functools.partial(_welcome, plan.layout))
        finally:
            pods.end(data_dir)
            routes.remove(plan.topology, plan.layout)
        return
    launch.fork_supervisor(plan, clock)
    try:
        asyncio.run(launch.wait_or_stop(plan, click.echo))
    except KeyboardInterrupt:
        raise LaunchError("interrupted") from None
    _welcome(plan.layout)


def _already_running(data_dir: Path) -> None:
    """A second `up`: wait for what the first one started, and say where it is."""
    record = state.load_record(data_dir)
    if record is None:
        raise LaunchError(f"another up is just preparing {data_dir}: wait for it")
    layout = record.layout(data_dir)
    asyncio.run(wait_usable(record.topology, layout, lambda _: None))
    click.echo(f"The cluster in {data_dir} is already running.")
    _welcome(layout)


def _welcome(layout: Layout) -> None:
    click.echo(f"\nThe cluster is up. Its kubeconfig is {layout.admin_kubeconfig}; for this shell:\n")
    click.echo(f"  source {layout.env}\n  kubectl get nodes")


@main.command()
@data_dir_option
@click.option("--wipe", is_flag=True, help="Remove the cluster's data, certificates and logs, too.")
@mendable
def down(data_dir: Path, wipe: bool) -> None:
    """Stop everything that runs for a data dir."""
    data_dir = data_dir.absolute()
    ended = asyncio.run(stop.stop(data_dir))
    pods.end(data_dir)
    if record := state.load_record(data_dir):
        routes.remove(record.topology, record.layout(data_dir))
    click.echo("Everything has been stopped." if ended else f"Nothing runs for {data_dir}.")
    if wipe:
        stop.wipe(data_dir)
        click.echo(f"The data in {data_dir} has been removed.")


@main.command()
@data_dir_option
@mendable
def status(data_dir: Path) -> None:
    """Show the processes and the store's members."""
    # Here, so that `up` does not wait for gRPC's import.
    from deploy import breaking
    from deploy.status import report

    data_dir = data_dir.absolute()
    answer = asyncio.run(breaking.ask(data_dir, "status"))
    record = breaking.record_of(data_dir)
    click.echo(asyncio.run(report(record.topology, record.layout(data_dir), answer, SystemClock().now())))


@main.command()
@data_dir_option
@click.option("-f", "--follow", is_flag=True, help="Go on with what comes, until Ctrl-C.")
@click.option("--tail", type=click.IntRange(0), default=10, show_default=True, help="Last lines of each log.")
@click.argument("names", nargs=-1)
@mendable
def logs(data_dir: Path, follow: bool, tail: int, names: tuple[str, ...]) -> None:
    """Print the logs of processes, or of all, in the order of time."""
    found = log_files.find(Layout(data_dir.absolute(), 0, 0), names)
    for line in log_files.merged(found, tail):
        click.echo(line)
    if follow:
        with contextlib.suppress(KeyboardInterrupt, BrokenPipeError):
            asyncio.run(log_files.follow(found, click.echo))


def _order(verb: str, help: str) -> None:
    """Add a verb that concerns single processes."""

    @main.command(verb, help=help)
    @data_dir_option
    @click.argument("names", nargs=-1, required=True)
    @mendable
    def command(data_dir: Path, names: tuple[str, ...]) -> None:
        from deploy import breaking

        asyncio.run(breaking.order(data_dir.absolute(), verb, names, click.echo))


_order("kill", "End processes by SIGKILL; they stay dead until `start`. `leader` is the store's leader.")
_order("start", "Start what was killed, or what waits to be started again.")
_order("restart", "End processes politely and start them at once.")
_order("pause", "Stop processes where they stand (SIGSTOP); their connections stay open, and silent.")
_order("resume", "Let paused processes go on (SIGCONT).")


@main.command()
@data_dir_option
@click.argument("one", metavar="A[,A..]")
@click.argument("other", metavar="B[,B..]")
@mendable
def partition(data_dir: Path, one: str, other: str) -> None:
    """Cut the links between members of the store; nothing passes until `heal`."""
    from deploy import breaking

    asyncio.run(breaking.partition(data_dir.absolute(), one.split(","), other.split(","), click.echo))


@main.command()
@data_dir_option
@mendable
def heal(data_dir: Path) -> None:
    """Mend every link that `partition` has cut."""
    from deploy import breaking

    asyncio.run(breaking.heal(data_dir.absolute(), click.echo))
