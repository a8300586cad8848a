"""Shell: shows the plan a Job and its pods, and wakes it when either changes; a second loop frees stray pods.

After: k8s pkg/controller/job/job_controller.go, NewController
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from controllers.job import untracking
from controllers.job.backoff import History
from controllers.job.plan import Seen, claimed, plan, selector_of
from controllers.job.untracking import is_ours, job_name, may_be_stray
from controllers.job_outcome import is_finished
from controllers.live import find
from controllers.parents import Parents
from controllers.wiring import Wiring
from kube.api import meta
from kube.api.actions import Action
from kube.api.meta import Object
from kube.api.resources import JOBS, PODS
from kube.base.clock import Clock
from kube.client.informer import InformerFactory
from kube.client.rest import Client
from kube.controller.controller import Controller
from kube.controller.expectations import Expectations
from kube.controller.owners import INDEX, controller_index, orphans_of


class JobReconciler:
    """Observes and plans for Jobs."""

    def __init__(
        self, client: Client, informers: InformerFactory, expectations: Expectations, clock: Clock
    ) -> None:
        self._expectations, self._clock = expectations, clock
        self.parents = Parents(client, informers, JOBS, selector_of)
        self._history = History()
        self._jobs = informers.informer(JOBS)
        self._pods = informers.informer(PODS)
        self._pods.add_index(INDEX, controller_index)

    async def observe(self, key: str) -> Seen | None:
        job = self._jobs.store.get(key)
        if job is None or is_finished(job) or not is_ours(job):
            self._history.forget(key)
            return None
        # Expectations before pods: a pod that comes between the two is looked at again, not made again.
        expectations_met = self._expectations.satisfied(key, self._clock.now())
        own = self._pods.store.by_index(INDEX, meta.uid(job))
        orphans = self._pods.store.by_index(INDEX, orphans_of(meta.namespace(job)))
        may_adopt = await self.parents.may_adopt(job, orphans)
        seen = Seen(job, own + orphans, may_adopt=may_adopt, expectations_met=expectations_met)
        seen.failures = self._history.note(key, job, claimed(seen)[0])
        return seen

    def plan(self, seen: Seen, now: datetime) -> list[Action]:
        return plan(seen, now)


@dataclass(slots=True)
class Stray:
    """A pod, and its Job if that lives."""

    pod: Object
    job: Object | None


class StrayPodReconciler:
    """Observes and plans for pods with the tracking finalizer that no Job will count."""

    def __init__(self, client: Client, informers: InformerFactory) -> None:
        self._client = client
        self._jobs = informers.informer(JOBS)
        self._pods = informers.informer(PODS)

    def keys_of_pod(self, pod: Object) -> list[str]:
        """The pod itself, if it looks like one."""
        return [meta.key(pod)] if may_be_stray(pod, self._job_of(pod)) else []

    def keys_of_job(self, job: Object) -> list[str]:
        """The pods that a Job leaves behind."""
        known = self._jobs.store.get(meta.key(job))
        if known is not None and meta.uid(known) == meta.uid(job) and not is_finished(known):
            return []
        return [
            key for pod in self._pods.store.by_index(INDEX, meta.uid(job)) for key in self.keys_of_pod(pod)
        ]

    async def observe(self, key: str) -> Stray | None:
        pod = self._pods.store.get(key)
        if pod is None:
            return None
        job = self._job_of(pod)
        if may_be_stray(pod, job) and (name := job_name(pod)) is not None:
            # The cache of Jobs may be behind that of pods: the server knows.
            job = await find(self._client, JOBS, meta.namespace(pod), name)
        return Stray(pod, job)

    def plan(self, seen: Stray, _: datetime) -> list[Action]:
        return untracking.plan(seen.pod, seen.job)

    def _job_of(self, pod: Object) -> Object | None:
        name = job_name(pod)
        return self._jobs.store.get(f"{meta.namespace(pod)}/{name}") if name is not None else None


def build(wiring: Wiring) -> Sequence[Controller[Any]]:
    """The controller of Jobs and the one of stray pods."""
    expectations = Expectations()
    reconciler = JobReconciler(wiring.client, wiring.informers, expectations, wiring.clock)
    controller = wiring.controller(
        "job-controller", "job", reconciler, children=PODS, expectations=expectations
    )
    jobs, pods = wiring.informers.informer(JOBS), wiring.informers.informer(PODS)
    controller.watch(jobs)
    controller.watch_children(pods, reconciler.parents.keys_of, reconciler.parents.owner_of)
    strays = StrayPodReconciler(wiring.client, wiring.informers)
    freeing = wiring.controller("job-stray-pod-controller", "job_orphan_pod", strays)
    freeing.watch(pods, strays.keys_of_pod)
    freeing.watch(jobs, strays.keys_of_job)
    return [controller, freeing]
