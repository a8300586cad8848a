"""Shell: `up`: prepares the data dir, starts the supervisor, waits until the cluster is usable.

    claim the data dir -> read or choose number and ports -> look for what stands in the way (disk, ports)
    -> routes, if addresses need any -> certificates, kubeconfigs, env -> fork the supervisor -> wait

The supervisor is forked, so that the claims made here are its own from the first moment. Nothing is started
before everything that can be checked has been; what was started when something fails is stopped again.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import shutil
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import setproctitle
import yaml

from deploy import claims, control, kubeconfig, nursery_client, pki, routes, state
from deploy.errors import LaunchError
from deploy.layout import PORT_BASE_DEFAULT, PORT_SPAN, Layout, run_dir
from deploy.processes import Process, processes
from deploy.stop import stop
from deploy.supervisor import Supervisor
from deploy.topology import Topology, TopologyError, located, parse
from deploy.usable import wait_usable
from kube.base import logs
from kube.base.clock import Clock
from kube.base.run import run

# Above lie the ports that Kubernetes gives to node ports.
PORT_FIRST, PORT_LAST = 1024, 29999

Say = Callable[[str], None]


@dataclass(slots=True)
class Plan:
    """A cluster about to be started, with what has been claimed for it."""

    topology: Topology
    layout: Layout
    processes: list[Process]
    lock: int
    listener: socket.socket
    claim: socket.socket | None


def prepare(data_dir: Path, port_base: int | None, topology: Topology | None, clock: Clock) -> Plan | None:
    """Claim, check and write what a cluster needs; None if it is running already."""
    data_dir.mkdir(parents=True, exist_ok=True)
    lock = claims.claim_data_dir(data_dir)
    if lock is None:
        return None
    running = state.load_running(data_dir)
    alive = {name for name, identity in running.items() if identity.is_alive()}
    try:
        return _plan(data_dir, port_base, topology, clock, alive, lock)
    except BaseException:
        if not alive:
            shutil.rmtree(run_dir(data_dir), ignore_errors=True)
        os.close(lock)
        raise


def _plan(
    data_dir: Path, port_base: int | None, topology: Topology | None, clock: Clock, alive: set[str], lock: int
) -> Plan:
    known = state.load_record(data_dir)
    base = _choose_base(known, port_base)
    chosen = _choose_topology(known, topology, data_dir)
    if known and alive and (base, chosen) != (known.port_base, known.topology):
        raise LaunchError(f"processes of {data_dir} still run with other settings: end them with deploy/down")
    claims.check_disk(data_dir)
    number, claim = _claim_number(known, alive, chosen.network)
    layout = Layout(data_dir, base, number, chosen.network)
    wanted = processes(chosen, layout)
    with contextlib.ExitStack() as undo:
        if claim is not None:
            undo.callback(claim.close)
        if not alive:
            undo.callback(routes.remove, chosen, layout)
        routes.add(chosen, layout)
        claims.check_ports(process for process in wanted if process.name not in alive)
        pki.ensure(chosen, layout, clock.now())
        kubeconfig.write_all(chosen, layout)
        state.save_record(data_dir, state.Record(number, base, chosen))
        listener = control.listen(layout.run)
        undo.pop_all()
    return Plan(chosen, layout, wanted, lock, listener, claim)


def _choose_base(known: state.Record | None, port_base: int | None) -> int:
    base = port_base or (known.port_base if known else PORT_BASE_DEFAULT)
    if not PORT_FIRST <= base <= PORT_LAST - PORT_SPAN:
        raise LaunchError(f"--port-base {base}: choose one from {PORT_FIRST} to {PORT_LAST - PORT_SPAN}")
    return base


def _choose_topology(known: state.Record | None, topology: Topology | None, data_dir: Path) -> Topology:
    """What was asked for, else what the data dir remembers, else the default."""
    chosen = topology or (known.topology if known else default_topology())
    if known and chosen.etcd != known.topology.etcd:
        raise LaunchError(
            f"--topology: the store in {data_dir} has {known.topology.etcd} members, not {chosen.etcd}: "
            "keep their number, or start anew after deploy/down --wipe"
        )
    if known and chosen.store != known.topology.store:
        raise LaunchError(
            f"--topology: the store in {data_dir} was written by {known.topology.store}, not {chosen.store}: "
            "keep it, or start anew after deploy/down --wipe"
        )
    if known and chosen.network != known.topology.network:
        raise LaunchError(
            f"--topology: the addresses in {data_dir} are of a {known.topology.network} network, "
            f"not a {chosen.network} one: keep it, or start anew after deploy/down --wipe"
        )
    if chosen.store == "etcd" and not shutil.which("etcd"):
        raise LaunchError("store: etcd is not on the PATH: sudo apt-get install etcd-server")
    return chosen


def _claim_number(
    known: state.Record | None, alive: set[str], network: str
) -> tuple[int, socket.socket | None]:
    """The number the data was made with: addresses of Services and pods in it depend on it."""
    if known is None:
        return claims.claim_any_number(network)
    claim = claims.claim_number(known.number)
    if claim is None and not alive:
        others = ", ".join(claims.other_clusters()) or "unknown"
        raise LaunchError(
            f"the addresses of cluster number {known.number} are in use by another cluster ({others}): "
            "stop that one, or use a new --data-dir"
        )
    return known.number, claim


def load_topology(path: Path) -> Topology:
    """Read a topology file; LaunchError says what is wrong with it."""
    try:
        return parse(located(yaml.safe_load(path.read_text()), path.parent.absolute()))
    except (TopologyError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise LaunchError(f"{path}: {error}") from error


def default_topology() -> Topology:
    """What is started when nobody says otherwise."""
    return load_topology(Path(__file__).parent / "topology.yaml")


async def wait_or_stop(plan: Plan, say: Say) -> None:
    """Return when the cluster is usable; one that cannot be is stopped again."""
    try:
        await wait_usable(plan.topology, plan.layout, say)
    except BaseException:
        say("stopping what had started ...")
        await stop(plan.layout.data_dir)
        routes.remove(plan.topology, plan.layout)
        raise


def fork_supervisor(plan: Plan, clock: Clock) -> None:
    """Leave the supervisor running in a session of its own, with the claims; no event loop may run yet."""
    # What stands in memory now is shared by all that are forked, as long as no collection writes to it.
    gc.collect()
    gc.freeze()
    forked = nursery_client.fork(plan.layout, (plan.lock, plan.listener.fileno()))
    if os.fork() == 0:
        try:
            os.setsid()
            _redirect(plan.layout.log("supervisor"))
            setproctitle.setproctitle(f"kubelite supervisor {plan.layout.data_dir}")
            logs.configure("supervisor")
            run(Supervisor(plan.layout, plan.processes, plan.listener, plan.claim, clock, forked).run)
        finally:
            os._exit(0)
    os.close(plan.lock)
    plan.listener.close()
    forked.socket.close()
    if plan.claim is not None:
        plan.claim.close()


async def run_in_foreground(plan: Plan, clock: Clock, say: Say, on_usable: Callable[[], None]) -> None:
    """Be the supervisor until a signal comes; every process ends with this one."""
    logs.configure("supervisor")
    supervisor = Supervisor(plan.layout, plan.processes, plan.listener, plan.claim, clock, end_children=True)
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(supervisor.run())
            await wait_usable(plan.topology, plan.layout, say)
            on_usable()
    except* LaunchError as errors:
        raise errors.exceptions[0] from None


def _redirect(log: Path) -> None:
    log.parent.mkdir(parents=True, exist_ok=True)
    nothing = os.open(os.devnull, os.O_RDONLY)
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for source, target in ((nothing, 0), (out, 1), (out, 2)):
        os.dup2(source, target)
    os.close(nothing)
    os.close(out)
