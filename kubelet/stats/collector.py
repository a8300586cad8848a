"""Shell: asks the runtime what every pod uses, and the machine; a pretended node uses what its pods do.

A runtime is asked for a few pods at once. A pod that it cannot tell about is left out, and that is said.

After: k8s pkg/kubelet/server/stats/summary.go
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from kube.base.clock import Clock
from kube.base.logs import logger
from kubelet.runtime.interface import ContainerStats, Runtime, RuntimeFailure, Sandbox
from kubelet.stats.machine import Machine
from kubelet.stats.rates import Rates
from kubelet.stats.usage import Amounts, ContainerUsage, NodeUsage, PodUsage, Snapshot, total

log = logger(__name__)

AT_ONCE = 8
NODE = "node"


@dataclass(slots=True)
class Collector:
    """Reads for one kubelet; machine: None for a node that is only pretended."""

    machine: Machine | None = None
    _rates: Rates = field(default_factory=Rates)
    _node_rates: Rates = field(default_factory=Rates)

    async def snapshot(self, runtime: Runtime, clock: Clock) -> Snapshot:
        """What is used now."""
        sandboxes = [each for each in runtime.list_sandboxes() if each.ready]
        read = await _read_all(runtime, sandboxes)
        pods = [
            self._pod(runtime, sandbox, stats)
            for sandbox, stats in zip(sandboxes, read, strict=True)
            if stats
        ]
        self._rates.keep({each.container_id for stats in read for each in stats or ()})
        return Snapshot(self._node(pods, clock), pods, any(stats is None for stats in read))

    def _node(self, pods: Sequence[PodUsage], clock: Clock) -> NodeUsage:
        now = clock.now()
        if self.machine is not None:
            usage = self.machine.usage(now)
        else:
            memory = total([each.amounts for each in pods], now).memory_bytes
            usage = NodeUsage(Amounts(now, self._rates.spent, memory))
        return replace(usage, amounts=self._node_rates.read(NODE, usage.amounts))

    def _pod(self, runtime: Runtime, sandbox: Sandbox, stats: Sequence[ContainerStats]) -> PodUsage:
        known = {each.id: each for each in runtime.containers_of(sandbox.pod_uid)}
        containers = [
            ContainerUsage(
                known[each.container_id].name,
                known[each.container_id].started_at,
                self._rates.read(
                    each.container_id, Amounts(each.at, each.cpu_nanoseconds, each.memory_bytes)
                ),
                each.files_bytes,
            )
            for each in stats
            if each.container_id in known
        ]
        return PodUsage(sandbox.namespace, sandbox.name, sandbox.pod_uid, sandbox.created_at, containers)


async def _read_all(runtime: Runtime, sandboxes: Sequence[Sandbox]) -> list[Sequence[ContainerStats] | None]:
    """What the runtime says of each; None where it cannot say."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def read(sandbox: Sandbox) -> Sequence[ContainerStats] | None:
        async with gate:
            try:
                return await runtime.stats(sandbox.pod_uid)
            except RuntimeFailure as failure:
                who = f"{sandbox.namespace}/{sandbox.name}"
                log.warning("cannot tell what a pod uses", pod=who, error=failure)
                return None

    return await asyncio.gather(*(read(each) for each in sandboxes))
