"""Shell: asks the probes of one pod's containers when they are due, and says what they found.

One task a container with probes, while it runs: it sleeps until the next probe is due (pod/probes.py says
when), asks (probing.py), and wakes the pod's worker when the verdict has changed. Probes of a container are
asked side by side: a slow one delays no other.

Invariants: nothing is asked of a container that does not run; of a pod that ends, only readiness is.
After: k8s pkg/kubelet/prober/prober_manager.go, worker.go, prober.go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime

from kube.api.meta import Object
from kube.base.clock import Clock
from kube.base.logs import logger
from kube.client.events import WARNING
from kubelet.pod.probes import KINDS, Outcome, Probe, Probes
from kubelet.pod.restarts import init_containers, is_sidecar, status_of
from kubelet.pod.state import Health, PodState
from kubelet.probing import ask
from kubelet.runtime.interface import Container, Runtime

log = logger(__name__)

Tell = Callable[[str, str, str, str], None]


class Prober:
    """tell: records an event (type, reason, message, container); changed: called when a verdict changed."""

    def __init__(self, runtime: Runtime, clock: Clock, tell: Tell, changed: Callable[[], None]) -> None:
        self._runtime, self._clock = runtime, clock
        self._tell, self._changed = tell, changed
        self._probes: dict[str, Probes] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._is_ending = False

    def health(self) -> Mapping[str, Health]:
        """What is known of each container that has probes, by its id."""
        return {container_id: probes.health() for container_id, probes in self._probes.items()}

    def watch(self, pod: Object, state: PodState, *, is_ending: bool) -> None:
        """Probe what runs now, and only that."""
        self._is_ending = is_ending
        running = {each.id for each in state.running}
        for container_id in self._probes.keys() - running:
            self._drop(container_id)
        sidecars = [spec for spec in init_containers(pod) if is_sidecar(spec)]
        for spec in [*sidecars, *pod["spec"]["containers"]]:
            latest = state.latest(spec["name"])
            if latest is not None and latest.is_running and latest.id not in self._probes:
                self._take_up(pod, spec, latest)

    async def close(self) -> None:
        """Ask nothing more."""
        tasks = list(self._tasks.values())
        for container_id in list(self._probes):
            self._drop(container_id)
        await asyncio.gather(*tasks, return_exceptions=True)

    def _take_up(self, pod: Object, spec: Object, container: Container) -> None:
        if all(spec.get(f"{kind}Probe") is None for kind in KINDS):
            return
        known = status_of(pod, spec["name"])
        is_same = str(known.get("containerID", "")).endswith(f"//{container.id}")
        assert container.started_at is not None, "a running container has started"
        self._probes[container.id] = Probes(
            spec,
            container.started_at,
            ready=is_same and bool(known.get("ready")),
            started=is_same and bool(known.get("started")),
        )
        task = asyncio.ensure_future(self._run(spec, container))
        self._tasks[container.id] = task

    def _drop(self, container_id: str) -> None:
        self._probes.pop(container_id, None)
        if task := self._tasks.pop(container_id, None):
            task.cancel()

    async def _run(self, spec: Object, container: Container) -> None:
        probes = self._probes[container.id]
        asking: dict[str, asyncio.Task[None]] = {}
        try:
            while (at := probes.next_at(asking)) is not None or asking:
                await self._wait(at, asking)
                for kind in [kind for kind, task in asking.items() if task.done()]:
                    asking.pop(kind).result()
                for probe in probes.due(self._clock.now(), asking):
                    if self._is_ending and probe.kind != "readiness":
                        return
                    asking[probe.kind] = asyncio.ensure_future(self._ask(spec, container, probe))
        finally:
            for task in asking.values():
                task.cancel()

    async def _wait(self, at: datetime | None, asking: Mapping[str, asyncio.Task[None]]) -> None:
        """Until the next probe is due, or one that is being asked has answered."""
        seconds = None if at is None else max((at - self._clock.now()).total_seconds(), 0.0)
        if asking:
            await asyncio.wait(asking.values(), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        elif seconds is not None:
            await asyncio.sleep(seconds)

    async def _ask(self, spec: Object, container: Container, probe: Probe) -> None:
        outcome, text = await ask(self._runtime, container, spec, probe)
        if container.id not in self._probes:
            return
        kind = probe.kind.capitalize()
        if outcome is Outcome.FAILURE:
            self._tell(WARNING, "Unhealthy", f"{kind} probe failed: {text}", spec["name"])
        elif outcome is Outcome.UNKNOWN:
            why = f"{kind} probe errored and resulted in unknown state: {text}"
            self._tell(WARNING, "Unhealthy", why, spec["name"])
        elif text:
            self._tell(WARNING, "ProbeWarning", f"{kind} probe warning: {text}", spec["name"])
        if probe.take(outcome, self._clock.now()):
            log.info("a probe's verdict changed", container=spec["name"], probe=probe.kind, now=probe.verdict)
            self._changed()
