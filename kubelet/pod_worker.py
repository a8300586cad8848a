"""Shell: one worker a pod: sees its state, does what the plan says, reports the status; one thing after
another.

    pod changed, container ended, time is up -> (plan -> act -> say the status) until nothing is left -> wait

When a pod whose deletion was asked for has nothing running any more, and its last status is told, the worker
deletes it for good: grace 0, with its uid, so that a new pod of the same name is safe.

Invariants: only this worker acts for its pod; what it acts on is always the newest pod; a failure is logged
and tried again, so one broken pod holds up no other.
After: k8s pkg/kubelet/pod_workers.go.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from kube.api import errors, meta
from kube.api.errors import StatusError
from kube.api.meta import Object
from kube.api.resources import PODS
from kube.base.backoff import Backoff as Retries
from kube.base.clock import Clock
from kube.base.logs import logger
from kube.client.events import NORMAL, WARNING, EventRecorder
from kube.client.rest import Client, ConnectionFailed
from kubelet.configuration import Configuration
from kubelet.images import Images
from kubelet.pod import deadline
from kubelet.pod import status as pod_status
from kubelet.pod.backoff import Backoff, ran_well
from kubelet.pod.container_status import full_name
from kubelet.pod.failures import CannotStart, NotMounted, PodEnds
from kubelet.pod.plan import (
    Action,
    BackOff,
    Life,
    RunSandbox,
    StartContainer,
    StopContainer,
    StopSandbox,
    Wait,
    grace_seconds,
    life,
    plan,
)
from kubelet.pod.restarts import ephemeral_containers, init_containers
from kubelet.pod.state import PodState, Waiting
from kubelet.prober import Prober
from kubelet.runtime.interface import ContainerConfig, Runtime, RuntimeFailure
from kubelet.starting import Starting
from kubelet.status_manager import StatusManager
from kubelet.stopping import Stopping
from kubelet.termination_messages import TerminationMessages
from kubelet.volumes.interface import PodVolumes

log = logger(__name__)

RETRY_SECONDS_MIN = 0.5
RETRY_SECONDS_MAX = 15.0
# So many statuses are on their way at once; the newer ones of those that wait take the place of the older.
TELLING_MAX = 16


@dataclass(frozen=True, slots=True)
class Node:
    """What all workers of a node share."""

    ip: str
    runtime: Runtime
    client: Client
    recorder: EventRecorder
    clock: Clock
    # Where the files of pods are kept, a folder a uid; None where they have none.
    pods_dir: Path | None
    volumes: PodVolumes
    configuration: Configuration
    backoff: Backoff = field(default_factory=Backoff)
    telling: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(TELLING_MAX))


class PodWorker:
    """Serves one pod, known by its uid."""

    def __init__(self, node: Node, pod: Object) -> None:
        self._node = node
        self._pod = pod
        self._uid = meta.uid(pod)
        self._status = StatusManager(node.client, node.clock, node.telling, pod, self.wake)
        self._backed_off: set[str] = set()
        self._is_gone = False
        self._changed = asyncio.Event()
        self._ending = asyncio.Event()
        self._ending_since: datetime | None = None
        self._waiting: dict[str, Waiting] = {}
        self._well_until: dict[str, int] = {}
        runtime, clock = node.runtime, node.clock
        self._folder = node.pods_dir / self._uid if node.pods_dir else None
        self._prober = Prober(runtime, clock, self._event, self.wake)
        self._messages = TerminationMessages(runtime, self._folder and self._folder / "containers")
        self._stopping = Stopping(runtime, clock, self._event)
        images = Images(runtime, node.client, clock, node.backoff, self._event)
        self._starting = Starting(
            runtime,
            images,
            self._messages,
            self._stopping,
            self._container_config,
            self._event,
            self._ending,
        )

    def update(self, pod: Object) -> None:
        """The pod changed."""
        self._take(pod)
        self._status.saw(pod)
        self._changed.set()

    def delete(self, pod: Object) -> None:
        """The pod is no more (by force, or because this worker deleted it): end what runs, report nothing."""
        deleted = {
            "deletionTimestamp": meta.format_time(self._node.clock.now()),
            "deletionGracePeriodSeconds": 0,
        }
        self._is_gone = True
        self._status.forget()
        self._take({**pod, "metadata": {**pod["metadata"], **deleted}})
        self._changed.set()

    def wake(self) -> None:
        """Something of the pod changed in the runtime."""
        self._changed.set()

    async def run(self) -> None:
        """Work until the pod is gone and nothing is left of it."""
        retries = Retries(RETRY_SECONDS_MIN, RETRY_SECONDS_MAX)
        self._node.volumes.follow(self._pod)
        self._node.runtime.annotate(self._uid, meta.annotations(self._pod))
        try:
            while not self._is_done():
                self._changed.clear()
                try:
                    wait_seconds = await self._sync()
                    retries.reset()
                except NotMounted as missing:
                    self._event(WARNING, missing.reason, missing.message)
                    wait_seconds = self._node.backoff.retry.total_seconds()
                except (StatusError, ConnectionFailed, RuntimeFailure) as error:
                    log.warning("cannot sync a pod now", pod=meta.key(self._pod), error=error)
                    wait_seconds = retries.next()
                if not self._is_done():
                    await self._wait(wait_seconds)
            await self._node.runtime.remove_pod_sandbox(self._uid)
            self._messages.clear()
            await self._node.volumes.teardown(self._uid)
            self._node.configuration.remove(self._uid)
            if self._folder is not None:
                with contextlib.suppress(OSError):
                    self._folder.rmdir()
        finally:
            await self._status.close()
            await self._prober.close()

    def _take(self, pod: Object) -> None:
        """The pod as it is now; less grace than before holds at once."""
        before, self._pod = self._pod, pod
        self._node.volumes.follow(pod)
        self._node.runtime.annotate(self._uid, meta.annotations(pod))
        if meta.is_terminating(pod):
            self._ending.set()
            if meta.is_terminating(before) and grace_seconds(pod) < grace_seconds(before):
                self._stopping.hurry(grace_seconds(pod))
            elif self._is_gone:
                self._stopping.hurry(0)

    def _is_done(self) -> bool:
        return self._is_gone and life(self._pod, self._state(self._node.clock.now())) is Life.TERMINATED

    async def _wait(self, seconds: float | None) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            return

    async def _sync(self) -> float | None:
        """Do what there is to do; returns after how many seconds to look again even if nothing happens."""
        while True:
            now = self._node.clock.now()
            self._report(now)
            # One moment for what to do and what to wait for: a wait that ends between two would be neither.
            planned = self._plan(now)
            waits = [each for each in planned if isinstance(each, BackOff | Wait)]
            if len(waits) == len(planned):
                break
            await self._act(planned)
        if (
            life(self._pod, self._state(now)) is Life.TERMINATED
            and meta.is_terminating(self._pod)
            and await self._status.settled()
        ):
            await self._delete_for_good()
        return self._seconds_to_wait(waits, now)

    def _state(self, now: datetime) -> PodState:
        runtime = self._node.runtime
        pod = {**self._pod, "status": {**(self._pod.get("status") or {}), **self._status.newest}}
        return PodState(
            runtime.sandbox_of(self._uid),
            self._messages.told(self._pod, runtime.containers_of(self._uid)),
            self._prober.health(),
            self._waiting,
            self._well_until,
            self._node.backoff,
            deadline.has_passed(pod, now),
            self._ending_since,
        )

    def _plan(self, now: datetime) -> list[Action]:
        return plan(self._pod, self._state(now), now)

    def _look(self, now: datetime) -> None:
        """Note what has changed in the runtime: what to probe, how long containers ran, that the pod ends."""
        state = self._state(now)
        is_ending = life(self._pod, state) is not Life.SYNC
        if is_ending and self._ending_since is None:
            self._ending_since = now
            if state.is_overdue and meta.get(self._pod, "status", "phase") not in ("Succeeded", "Failed"):
                self._event(NORMAL, deadline.OVERDUE_REASON, deadline.OVERDUE_MESSAGE)
        self._prober.watch(self._pod, state, is_ending=is_ending)
        for container in state.containers:
            if container.is_exited and ran_well(container):
                self._well_until[container.name] = container.attempt

    async def _act(self, actions: Sequence[Action]) -> None:
        """Starts go one after another; stops together, as their graces run together."""
        stops = [each for each in actions if isinstance(each, StopContainer)]
        await self._stopping.stop_all(self._pod, stops)
        for action in actions:
            match action:
                case RunSandbox():
                    await self._run_sandbox()
                case StartContainer():
                    await self._start(action)
                case StopSandbox():
                    await self._node.runtime.stop_pod_sandbox(self._uid)

    async def _run_sandbox(self) -> None:
        await self._node.volumes.prepare(self._pod)
        try:
            await self._node.runtime.run_pod_sandbox(self._node.configuration.sandbox(self._pod))
        except RuntimeFailure as failure:
            self._event(WARNING, "FailedCreatePodSandBox", f"Failed to create pod sandbox: {failure}")
            raise

    async def _start(self, action: StartContainer) -> None:
        name = action.spec["name"]
        try:
            await self._starting.start(self._pod, action)
        except PodEnds:
            return
        except CannotStart as why:
            until = why.until or self._node.clock.now() + self._node.backoff.retry
            self._waiting[name] = Waiting(why.reason, why.message, until, action.spec["image"])
            return
        self._waiting.pop(name, None)
        self._backed_off.discard(name)

    async def _container_config(self, container: Object, attempt: int) -> ContainerConfig:
        sandbox = self._node.runtime.sandbox_of(self._uid)
        assert sandbox is not None, "a container is made in its pod's sandbox"
        return await self._node.configuration.container(self._pod, container, attempt, sandbox.ip)

    def _report(self, now: datetime) -> None:
        """Say how it stands."""
        self._look(now)
        if self._is_gone:
            return
        self._warn_of_backoffs(now)
        node = self._node
        self._status.yield_to(now)
        status = pod_status.overlay(self._pod.get("status") or {}, self._status.newest)
        pod = {**self._pod, "status": status}
        self._status.say(pod_status.build(pod, self._state(now), node.ip, node.runtime.name, now))

    def _warn_of_backoffs(self, now: datetime) -> None:
        for action in self._plan(now):
            if isinstance(action, BackOff) and action.name not in self._backed_off:
                self._backed_off.add(action.name)
                who = full_name(self._pod)
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

    def _seconds_to_wait(self, waits: Sequence[BackOff | Wait], now: datetime) -> float | None:
        """How long until one of these is over, or time for something else; `now`: when they were planned."""
        times = [each.until for each in waits]
        disputed_until = self._status.disputed_until()
        times += [disputed_until] if disputed_until is not None else []
        status = {**(self._pod.get("status") or {}), **self._status.newest}
        overdue_at = deadline.ends_at({**self._pod, "status": status})
        times += [overdue_at] if overdue_at is not None and overdue_at > now else []
        return max((min(times) - self._node.clock.now()).total_seconds(), 0.0) if times else None

    def _event(self, kind: str, reason: str, message: str, container: str = "") -> None:
        """Tell users about the pod, or about one of its containers."""
        part = f"spec.{self._list_of(container)}{{{container}}}" if container else ""
        self._node.recorder.event(self._pod, kind, reason, message, part)

    def _list_of(self, container: str) -> str:
        lists = {"initContainers": init_containers, "ephemeralContainers": ephemeral_containers}
        for name, specs in lists.items():
            if any(spec["name"] == container for spec in specs(self._pod)):
                return name
        return "containers"
