"""Shell: the nodes of one process: a single one, or a fleet of pretended ones that share all but their names.

    web-0 web-1 ... --started one after another, a few at once--> Node, Lease
                     '- so their heartbeats are spread evenly over the time between two of one node's

After: KWOK, whose one process also plays many nodes (kwok.x-k8s.io).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from itertools import islice

from kube.base.logs import logger
from kube.base.tasks import Tasks
from kubelet.kubelet import Home
from kubelet.node_reporter import NodeReporter

log = logger(__name__)

# Each node of a fleet has such a part of the network; then there are as many nodes as parts.
POD_PREFIX = 24
# So many nodes register at once; more would only wait in the API server.
REGISTERING_MAX = 16
# So many requests about pods are under way at once; heartbeats have a client of their own and never wait.
AT_ONCE_MAX = 32
PROGRESS_NODES = 100


def names(name: str, count: int | None) -> list[str]:
    """The nodes' names; a single node has the name itself."""
    return [name] if count is None else [f"{name}-{index}" for index in range(count)]


def networks(network: IPv4Network, nodes: Sequence[str]) -> dict[str, IPv4Network]:
    """A part of the network for each node; ValueError where there are too few."""
    parts = 1 << max(POD_PREFIX - network.prefixlen, 0)
    if network.prefixlen > POD_PREFIX or len(nodes) > parts:
        raise ValueError(f"{network} is too small for {len(nodes)} nodes, each with a /{POD_PREFIX} of it")
    return dict(zip(nodes, islice(network.subnets(new_prefix=POD_PREFIX), len(nodes)), strict=True))


@dataclass(frozen=True, slots=True)
class Member:
    """One node: who lives there, and who speaks for it."""

    home: Home
    reporter: NodeReporter


@dataclass(frozen=True, slots=True)
class Fleet:
    """The nodes by name; heartbeat_seconds: between two of one node's heartbeats."""

    members: Mapping[str, Member]
    heartbeat_seconds: float

    @property
    def homes(self) -> dict[str, Home]:
        return {name: member.home for name, member in self.members.items()}

    def missing(self) -> str | None:
        """What is missing until all are registered, in words for /readyz."""
        count = sum(not each.reporter.is_registered for each in self.members.values())
        if not count:
            return None
        return (
            "the node is not registered yet"
            if len(self.members) == 1
            else f"{count} nodes are not registered"
        )

    async def start(self, tasks: Tasks) -> None:
        """Bring all to life; returns when the last one is registered."""
        spacing, gate = self.heartbeat_seconds / len(self.members), asyncio.Semaphore(REGISTERING_MAX)
        async with asyncio.TaskGroup() as registering:
            for name, member in self.members.items():
                await gate.acquire()
                tasks.start(f"node status {name}", member.reporter.report)
                tasks.start(f"node lease {name}", member.reporter.renew_lease)
                registering.create_task(self._registered(member, gate))
                await asyncio.sleep(spacing)

    async def _registered(self, member: Member, gate: asyncio.Semaphore) -> None:
        await member.reporter.wait_registered()
        gate.release()
        done = sum(each.reporter.is_registered for each in self.members.values())
        if len(self.members) > 1 and (done % PROGRESS_NODES == 0 or done == len(self.members)):
            log.info("nodes are registered", count=done, of=len(self.members))
