"""The ways to break a cluster, by name. When one returns, what comes back by itself is still on its way."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

from deploy import control, members
from deploy.ending import wait_ended
from deploy.errors import LaunchError
from deploy.orders import ORDER_SECONDS
from deploy.processes import processes
from tests.support.cluster import Cluster
from tests.support.wait import until_async

PAUSE_SECONDS = 3.0
PARTITION_SECONDS = 3.0

Act = Callable[[Cluster], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Fault:
    """What is done, and to whom if that is known before; whether HTTP clients may notice.

    They may only when a proxy or kubelets are hurt.
    """

    name: str
    act: Act
    hurts_traffic: bool = False
    killed: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.name


def kill(name: str) -> Fault:
    """kill -9; the supervisor starts it again, and `up` the supervisor."""

    async def act(cluster: Cluster) -> None:
        await wait_ended(cluster.kill(name))
        if name == "supervisor":
            await asyncio.to_thread(cluster.up)

    return Fault(f"kill {name}", act, _serves(name), (name,))


def pause(name: str, seconds: float = PAUSE_SECONDS) -> Fault:
    """SIGSTOP, and SIGCONT after a while."""

    async def act(cluster: Cluster) -> None:
        paused = cluster.kill(name, signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            paused.send(signal.SIGCONT)

    return Fault(f"pause {name}", act, _serves(name))


def pause_leading(lease: str) -> Fault:
    """The same, for whoever holds a Lease: its name ends in the address where it listens, and a word."""

    async def act(cluster: Cluster) -> None:
        words = ("get", "lease", lease, "-n", "kube-system", "-o", "jsonpath={.spec.holderIdentity}")
        holder = await asyncio.to_thread(cluster.kubectl, *words)
        known = processes(cluster.topology, cluster.layout)
        [name] = [each.name for each in known for _, port in each.listens if f":{port}_" in holder]
        await pause(name).act(cluster)

    return Fault(f"pause the leader by {lease}", act)


def kill_together(*names: str) -> Fault:
    """Several at once."""

    async def act(cluster: Cluster) -> None:
        killed = [cluster.kill(name) for name in names]
        await asyncio.gather(*map(wait_ended, killed))

    return Fault(f"kill {' and '.join(names)}", act, any(map(_serves, names)), names)


def restart_together(*names: str) -> Fault:
    """Several at once, politely: what is asked of them then must not be answered wrongly."""

    async def act(cluster: Cluster) -> None:
        answer = await control.ask(cluster.layout.run, "restart", *names, seconds=ORDER_SECONDS)
        assert answer is not None
        assert not answer["refused"], answer

    return Fault(f"restart {' and '.join(names)}", act, any(map(_serves, names)))


def kill_leader() -> Fault:
    """The store's, whichever member that is."""

    async def act(cluster: Cluster) -> None:
        await kill(await _leader(cluster)).act(cluster)

    return Fault("kill the store's leader", act)


def cut_off_leader(seconds: float = PARTITION_SECONDS) -> Fault:
    """The store's leader hears nobody and nobody hears it, for a while."""

    async def act(cluster: Cluster) -> None:
        await cut_off(await _leader(cluster), seconds).act(cluster)

    return Fault("cut off the store's leader", act)


def cut_off(name: str, seconds: float = PARTITION_SECONDS) -> Fault:
    """The same for one member, whatever it is."""

    async def act(cluster: Cluster) -> None:
        others = [each for each in members.names(cluster.topology) if each != name]
        await members.partition(cluster.topology, cluster.layout, ([name], others))
        await asyncio.sleep(seconds)
        await members.heal(cluster.topology, cluster.layout)

    return Fault(f"cut off {name}", act)


def kill_everything() -> Fault:
    """The supervisor included; then `up`."""

    async def act(cluster: Cluster) -> None:
        await asyncio.to_thread(cluster.kill_everything)
        await asyncio.to_thread(cluster.up)

    return Fault("kill everything", act, hurts_traffic=True)


async def _leader(cluster: Cluster) -> str:
    """Who leads the store; one that is electing has nobody for a moment."""

    async def found() -> str | None:
        with suppress(LaunchError):
            return await members.leader(cluster.topology, cluster.layout)
        return None

    leader = await until_async("a member of the store leads", found)
    assert leader is not None
    return leader


def _serves(name: str) -> bool:
    return name.startswith(("kubelet-", "proxy-"))
