"""Shell: claims what only one cluster may have: the data dir, the cluster number, free ports and addresses.

A data dir is claimed by a lock on `run/lock`, held by its supervisor. A cluster number is claimed by an
abstract unix socket, a name that is seen exactly as far as the loopback addresses it stands for (one network
namespace, all its users) and that every process of the cluster holds: it is free again when the last one has
ended, in whatever way.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import socket
from collections.abc import Iterable
from pathlib import Path

from deploy.errors import LaunchError
from deploy.layout import CLUSTER_NUMBERS, KUBELET_PORT, Layout, run_dir
from deploy.processes import Process
from kube.base import low_ports

# A new cluster writes some 10 MB; the store's logs and snapshots need room to come and go.
FREE_BYTES_MIN = 200 * 1024 * 1024
# What a fake web container listens on; a user who may not bind it gets no answer from pods and Services.
WEB_PORT = 80


def claim_data_dir(data_dir: Path) -> int | None:
    """The lock's descriptor, to be kept open as long as the cluster is ours; None if somebody else has it."""
    path = run_dir(data_dir) / "lock"
    path.parent.mkdir(mode=0o700, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    if not path.exists() or not os.path.samestat(path.stat(), os.fstat(descriptor)):
        # A supervisor that was just ending removed the file between our opening and locking it.
        os.close(descriptor)
        return claim_data_dir(data_dir)
    return descriptor


def claim_number(number: int) -> socket.socket | None:
    """The socket that stands for a cluster number; None if another cluster on this machine has it."""
    claim = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        claim.bind(f"\0kubelite-cluster-{number}")
    except OSError as error:
        claim.close()
        if error.errno == errno.EADDRINUSE:
            return None
        raise
    return claim


def claim_any_number(network: str) -> tuple[int, socket.socket]:
    """The first free cluster number, claimed."""
    for number in CLUSTER_NUMBERS:
        if claim := claim_number(number):
            if _has_free_addresses(Layout(Path(), 0, number, network)):
                return number, claim
            claim.close()
    raise LaunchError(
        f"all {len(CLUSTER_NUMBERS)} cluster numbers of this machine are in use: stop one with deploy/down"
    )


def _has_free_addresses(layout: Layout) -> bool:
    """Whether no kubelet listens there: one that outlived its supervisor and nursery may hold no claim.

    Asked by binding, not by connecting: without a route the question would leave the machine.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((layout.node_ip(1), KUBELET_PORT))
        except OSError as error:
            return error.errno != errno.EADDRINUSE
    return True


def other_clusters() -> list[str]:
    """What the supervisors running on this machine call themselves, their data dirs included."""
    commands = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            commands.append(_command(entry))
        except OSError:
            continue
    return [command for command in commands if command.startswith("kubelite supervisor ")]


def check_disk(data_dir: Path) -> None:
    """Refuse to start where the store could not write."""
    free = shutil.disk_usage(data_dir).free
    if free < FREE_BYTES_MIN:
        raise LaunchError(
            f"only {free >> 20} MB are free on the disk of {data_dir}, {FREE_BYTES_MIN >> 20} MB are needed: "
            "free some, or choose another place with --data-dir"
        )


def check_ports(processes: Iterable[Process]) -> None:
    """Refuse to start when something else listens where a process of ours would."""
    for process in processes:
        for host, port in process.listens:
            _check_port(process.name, host, port)


def _check_port(name: str, host: str, port: int) -> None:
    # Without SO_REUSEPORT, so that a port which others share with one another counts as taken, too.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen()
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise LaunchError(f"{name} cannot listen on {host}:{port}: {error.strerror}") from error
            raise LaunchError(
                f"port {port} on {host}, which {name} needs, is in use{_holder(port)}: "
                "stop that, or choose other ports with --port-base"
            ) from error


def _holder(port: int) -> str:
    """Who listens on the port, as far as this user may see it."""
    inodes = _listening_inodes(port)
    for descriptor in Path("/proc").glob("[0-9]*/fd/[0-9]*"):
        try:
            if os.readlink(descriptor) in inodes:
                process = descriptor.parents[1]
                return f" by process {process.name} ({_command(process)[:80]})"
        except OSError:
            # Another user's, or gone meanwhile.
            continue
    return ""


def _command(process: Path) -> str:
    return (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()


def _listening_inodes(port: int) -> set[str]:
    """The sockets that listen on this port on any address, named as /proc/<pid>/fd names them."""
    rows = [
        line.split()
        for table in ("/proc/net/tcp", "/proc/net/tcp6")
        if Path(table).exists()
        for line in Path(table).read_text().splitlines()[1:]
    ]
    listening = "0A"
    return {
        f"socket:[{row[9]}]"
        for row in rows
        if row[3] == listening and int(row[1].rsplit(":", 1)[1], 16) == port
    }


def low_port_hint() -> str | None:
    """The line for a user who may not bind the web port, or None."""
    setting = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
    first = int(setting.read_text()) if setting.exists() else 1024
    if os.geteuid() == 0 or first <= WEB_PORT:
        return None
    return (
        f"note: this user may not bind ports below {first}, so pods and Services answer on port "
        f"{WEB_PORT + low_ports.OFFSET} instead of {WEB_PORT}, names on {53 + low_ports.OFFSET} "
        "(node ports are as usual) until: sudo sysctl net.ipv4.ip_unprivileged_port_start=0"
    )
