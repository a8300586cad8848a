"""Shell: one worker a pod: sees its state, does what the plan says, reports the status; one thing after
another.

    pod changed, container ended, time is up -> (plan -> act -> PATCH status) until nothing is left -> wait

When a pod whose deletion was asked for has nothing running any more, the worker deletes it for good: grace
0, with its uid, so that a new pod of the same name is safe.

Invariants: only this worker acts for its pod; what it acts on is always the newest pod; a failure is logged
and tried again, so one broken pod holds up no other.
After: k8s pkg/kubelet/pod_workers.go, pkg/kubelet/status/status_manager.go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from kube.api import errors, meta
from kube.api.errors import StatusError
from kube.api.meta import Object
from kube.api.resources import PODS
from kube.base.backoff import Backoff
from kube.base.clock import Clock
from kube.base.logs import logger
from kube.client.events import NORMAL, WARNING, EventRecorder
from kube.client.rest import Client, ConnectionFailed
from kubelet.pod import status as pod_status
from kubelet.pod.environment import environment
from kubelet.pod.plan import (
    Action,
    BackOff,
    Life,
    PodState,
    RunSandbox,
    StartContainer,
    StopContainer,
    StopSandbox,
    init_containers,
    life,
    plan,
)
from kubelet.runtime.interface import ContainerConfig, Runtime, RuntimeFailure, SandboxConfig

log = logger(__name__)

RETRY_SECONDS_MIN = 0.5
RETRY_SECONDS_MAX = 15.0
# How long somebody else's word about our conditions stands: two who set each other right at once would never
# rest. Kubernetes' kubelet compares every 10 s.
DISPUTE = timedelta(seconds=3)


@dataclass(frozen=True, slots=True)
class Node:
    """What all workers of a node share."""

    ip: str
    runtime: Runtime
    client: Client
    recorder: EventRecorder
    clock: Clock


class PodWorker:
    """Serves one pod, known by its uid."""

    def __init__(self, node: Node, pod: Object) -> None:
        self._node = node
        self._pod = pod
        self._uid = meta.uid(pod)
        self._reported: Object = pod_status.overlay({}, pod.get("status") or {})
        self._reported_version = 0
        self._disputed_at: datetime | None = None
        self._backed_off: set[str] = set()
        self._is_gone = False
        self._changed = asyncio.Event()

    def update(self, pod: Object) -> None:
        """The pod changed; somebody else may have written what is ours to say."""
        self._pod = pod
        if int(meta.resource_version(pod)) > self._reported_version:
            if pod_status.agrees(pod.get("status") or {}, self._reported):
                self._disputed_at = None
            elif self._disputed_at is None:
                self._disputed_at = self._node.clock.now()
        self._changed.set()

    def delete(self, pod: Object) -> None:
        """The pod is no more (by force, or because this worker deleted it): end what runs, report nothing."""
        deleted = {
            "deletionTimestamp": meta.format_time(self._node.clock.now()),
            "deletionGracePeriodSeconds": 0,
        }
        self._pod = {**pod, "metadata": {**deleted, **pod["metadata"]}}
        self._is_gone = True
        self._changed.set()

    def wake(self) -> None:
        """Something of the pod changed in the runtime."""
        self._changed.set()

    async def run(self) -> None:
        """Work until the pod is gone and nothing is left of it."""
        backoff = Backoff(RETRY_SECONDS_MIN, RETRY_SECONDS_MAX)
        while not self._is_done():
            self._changed.clear()
            try:
                wait_seconds = await self._sync()
                backoff.reset()
            except (StatusError, ConnectionFailed, RuntimeFailure) as error:
                log.warning("cannot sync a pod now", pod=meta.key(self._pod), error=error)
                wait_seconds = backoff.next()
            if not self._is_done():
                await self._wait(wait_seconds)
        await self._node.runtime.remove_pod_sandbox(self._uid)

    def _is_done(self) -> bool:
        return self._is_gone and life(self._pod, self._state()) is Life.TERMINATED

    async def _wait(self, seconds: float | None) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            return

    async def _sync(self) -> float | None:
        """Do what there is to do; returns after how many seconds to look again even if nothing happens."""
        await self._report()
        while actions := [each for each in self._plan() if not isinstance(each, BackOff)]:
            await self._act(actions)
            await self._report()
        if life(self._pod, self._state()) is Life.TERMINATED and meta.is_terminating(self._pod):
            await self._delete_for_good()
        return self._next_look()

    def _state(self) -> PodState:
        runtime = self._node.runtime
        return PodState(runtime.sandbox_of(self._uid), runtime.containers_of(self._uid))

    def _plan(self) -> list[Action]:
        return plan(self._pod, self._state(), self._node.clock.now())

    async def _act(self, actions: Sequence[Action]) -> None:
        """Starts go one after another; stops together, as their graces run together."""
        stops = [each for each in actions if isinstance(each, StopContainer)]
        await asyncio.gather(*(self._stop(each) for each in stops))
        for action in actions:
            match action:
                case RunSandbox():
                    await self._run_sandbox()
                case StartContainer():
                    await self._start(action)
                case StopSandbox():
                    await self._node.runtime.stop_pod_sandbox(self._uid)

    async def _run_sandbox(self) -> None:
        config = SandboxConfig(
            pod_uid=self._uid,
            namespace=meta.namespace(self._pod),
            name=meta.name(self._pod),
            host_network=bool(self._pod["spec"].get("hostNetwork")),
            annotations=meta.annotations(self._pod),
        )
        try:
            await self._node.runtime.run_pod_sandbox(config)
        except RuntimeFailure as failure:
            self._event(WARNING, "FailedCreatePodSandBox", f"Failed to create pod sandbox: {failure}")
            raise

    async def _start(self, action: StartContainer) -> None:
        spec, runtime = action.spec, self._node.runtime
        container_id = action.created or await self._create(action)
        await runtime.start_container(container_id)
        self._event(NORMAL, "Started", "Container started", spec["name"])
        self._backed_off.discard(spec["name"])

    async def _create(self, action: StartContainer) -> str:
        await self._pull(action.spec)
        config = self._container_config(action.spec, action.attempt)
        container_id = await self._node.runtime.create_container(self._uid, config)
        self._event(NORMAL, "Created", "Container created", action.spec["name"])
        return container_id

    async def _pull(self, spec: Object) -> None:
        image = spec["image"]
        if spec.get("imagePullPolicy") != "Always":
            present = f'Container image "{image}" already present on machine and can be accessed by the pod'
            self._event(NORMAL, "Pulled", present, spec["name"])
            return
        self._event(NORMAL, "Pulling", f'Pulling image "{image}"', spec["name"])
        began = self._node.clock.now()
        pulled = await self._node.runtime.pull_image(image)
        took = f"{(self._node.clock.now() - began).total_seconds() * 1000:.0f}ms"
        done = (
            f'Successfully pulled image "{image}" in {took} ({took} including waiting). '
            f"Image size: {pulled.size_bytes} bytes."
        )
        self._event(NORMAL, "Pulled", done, spec["name"])

    def _container_config(self, container: Object, attempt: int) -> ContainerConfig:
        sandbox = self._node.runtime.sandbox_of(self._uid)
        assert sandbox is not None, "a container is made in its pod's sandbox"
        ports = [each for each in container.get("ports") or () if each.get("protocol") != "UDP"]
        return ContainerConfig(
            name=container["name"],
            attempt=attempt,
            image=container["image"],
            command=container.get("command") or (),
            args=container.get("args") or (),
            ports=[port["containerPort"] for port in ports],
            environment=environment(self._pod, container, self._node.ip, sandbox.ip),
            stdin=bool(container.get("stdin")),
            stdin_once=bool(container.get("stdinOnce")),
            is_terminal=bool(container.get("tty")),
        )

    async def _stop(self, action: StopContainer) -> None:
        self._event(NORMAL, "Killing", action.message, action.name)
        await self._node.runtime.stop_container(action.id, action.grace_seconds)

    async def _report(self) -> None:
        """Send the status if it is not what the API server knows."""
        if self._is_gone:
            return
        self._warn_of_backoffs()
        node, now = self._node, self._node.clock.now()
        if self._disputed_at is not None and now >= self._disputed_at + DISPUTE:
            self._reported, self._disputed_at = pod_status.overlay({}, self._pod.get("status") or {}), None
        pod = {**self._pod, "status": pod_status.overlay(self._pod.get("status") or {}, self._reported)}
        new = pod_status.build(pod, self._state(), node.ip, node.runtime.name, now)
        if all(self._reported.get(key) == value for key, value in new.items()):
            return
        # Our own last write may not have come back yet.
        version = max(int(meta.resource_version(pod)), self._reported_version)
        patch = pod_status.patch(pod, new, version)
        try:
            written = await node.client.patch(
                PODS, meta.namespace(pod), meta.name(pod), patch, "strategic", subresource="status"
            )
        except StatusError as error:
            if not errors.is_not_found(error) and not errors.is_conflict(error):
                raise
            return
        self._reported, self._reported_version = new, int(meta.resource_version(written))
        self._disputed_at = None

    def _warn_of_backoffs(self) -> None:
        for action in self._plan():
            if isinstance(action, BackOff) and action.name not in self._backed_off:
                self._backed_off.add(action.name)
                who = pod_status.full_name(self._pod)
                message = f"Back-off restarting failed container {action.name} in pod {who}"
                self._event(WARNING, "BackOff", message, action.name)

    async def _delete_for_good(self) -> None:
        pod = self._pod
        awaits_finalizers = meta.get(pod, "metadata", "deletionGracePeriodSeconds") == 0 and meta.finalizers(
            pod
        )
        if self._is_gone or awaits_finalizers:
            return
        try:
            await self._node.client.delete(
                PODS, meta.namespace(pod), meta.name(pod), uid=self._uid, grace_period_seconds=0
            )
        except StatusError as error:
            if not errors.is_not_found(error) and not errors.is_conflict(error):
                raise

    def _next_look(self) -> float | None:
        now = self._node.clock.now()
        times = [each.until for each in self._plan() if isinstance(each, BackOff)]
        times += [at for at in self._ready_times() if at > now]
        times += [self._disputed_at + DISPUTE] if self._disputed_at is not None else []
        return max((min(times) - now).total_seconds(), 0.0) if times else None

    def _ready_times(self) -> list[datetime]:
        state = self._state()
        pairs = [(spec, state.latest(spec["name"])) for spec in self._pod["spec"]["containers"]]
        return [pod_status.ready_at(spec, each) for spec, each in pairs if each and each.is_running]

    def _event(self, kind: str, reason: str, message: str, container: str = "") -> None:
        """Tell users about the pod, or about one of its containers."""
        is_init = any(spec["name"] == container for spec in init_containers(self._pod))
        part = f"spec.{'initContainers' if is_init else 'containers'}{{{container}}}" if container else ""
        self._node.recorder.event(self._pod, kind, reason, message, part)
