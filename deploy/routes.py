"""Shell: `network: routed`: makes this machine answer for the addresses of a cluster that begin with 10.

    ip route add local 10.96.0.0/16 dev lo proto 107       Services; the same for the rest
    (none for 10.224.3.0/24)                               node 3 is Docker's, whose bridge has a route

A local route is what makes all of 127/8 answer: whoever listens on such an address is reached there, also
from containers with a network of their own. Adding them takes root's rights, using them none. Ours
carry a protocol number of their own, so that `down` removes these and no others.

After: ip-route(8).
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network

from deploy.errors import LaunchError
from deploy.layout import Layout
from deploy.topology import Topology

# Of no routing daemon; 107 is a `k`.
PROTOCOL = "107"
DOCKER = "docker"


@dataclass(frozen=True, slots=True)
class Route:
    """One that the machine has; what it does with it is in `type`, where it leads in `device`."""

    network: IPv4Network
    type: str
    device: str
    protocol: str

    def __str__(self) -> str:
        return f"{self.network} ({self.type}, dev {self.device})"


def wanted(topology: Topology, layout: Layout) -> list[IPv4Network]:
    """What the machine must answer for; nothing on the loopback network, where it does."""
    if topology.network != "routed":
        return []
    own = [
        layout.pod_cidr(position)
        for position, node in enumerate(topology.nodes, start=1)
        if topology.kubelet_flags(node).get("container-runtime") != DOCKER
    ]
    own += [layout.fleet_pod_cidr] if topology.fleet else []
    return [
        IPv4Network(each) for each in (layout.service_cidr, layout.load_balancer_cidr, layout.node_cidr, *own)
    ]


def add(topology: Topology, layout: Layout) -> None:
    """Add what is missing; LaunchError where other routes are in the way, or this user may not."""
    networks = wanted(topology, layout)
    if not networks:
        return
    known = _routes()
    ours = {each.network for each in known if each.type == "local"}
    missing = [each for each in networks if each not in ours]
    for each in missing:
        for other in known:
            if other.network.prefixlen and other.network.overlaps(each) and other.protocol != PROTOCOL:
                raise LaunchError(
                    f"network: routed needs {each}, but this machine has a route to {other}: "
                    "remove that, use another --data-dir while this cluster runs, or leave `network` out"
                )
    commands = [f"ip route add local {each} dev lo proto {PROTOCOL}" for each in missing]
    for command in commands:
        if problem := _run(command.split())[1]:
            raise LaunchError(
                f"network: routed: {command}: {problem}: run as root, or let root run: {'; '.join(commands)}"
            )


def remove(topology: Topology, layout: Layout) -> None:
    """Take away what `add` added."""
    networks = set(wanted(topology, layout))
    for each in _routes() if networks else ():
        if each.protocol == PROTOCOL and each.network in networks:
            command = f"ip route del local {each.network} dev lo proto {PROTOCOL}"
            if problem := _run(command.split())[1]:
                raise LaunchError(f"network: routed: a route was left: {command}: {problem}")


def _routes() -> list[Route]:
    """All of them, default ones excepted."""
    text, problem = _run(["ip", "-json", "-4", "route", "show", "table", "all"])
    if problem:
        raise LaunchError(f"network: routed: cannot read this machine's routes: {problem}")
    return list(_parsed(json.loads(text or "[]")))


def _parsed(rows: list[dict[str, str]]) -> Iterator[Route]:
    for row in rows:
        if row["dst"] != "default":
            kind, device = row.get("type", "unicast"), row.get("dev", "-")
            yield Route(IPv4Network(row["dst"]), kind, device, row.get("protocol", ""))


def _run(command: list[str]) -> tuple[str, str]:
    """What the program printed, and what went wrong."""
    program = shutil.which(command[0], path=None) or shutil.which(command[0], path="/usr/sbin:/sbin")
    if program is None:
        raise LaunchError("network: routed needs the program `ip`: sudo apt-get install iproute2")
    done = subprocess.run([program, *command[1:]], capture_output=True, text=True, check=False)
    return done.stdout, done.stderr.strip() if done.returncode else ""
