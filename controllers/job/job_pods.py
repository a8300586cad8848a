"""Core: what a Job asks of its pods: is it counted, has it failed, when did it end, which index is it for.

A pod carries the tracking finalizer until it was counted, so that none is lost to whoever deletes it.

After: k8s pkg/controller/job/{job_controller,indexed_job_utils,backoff_utils,tracking_utils}.go
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from controllers import pods
from kube.api import conditions, meta
from kube.api.actions import Patch
from kube.api.meta import Object
from kube.api.resources import PODS

FINALIZER = "batch.kubernetes.io/job-tracking"
COMPLETION_INDEX = "batch.kubernetes.io/job-completion-index"
INDEX_FAILURES = "batch.kubernetes.io/job-index-failure-count"
INDEX_IGNORED_FAILURES = "batch.kubernetes.io/job-index-ignored-failure-count"
INT32_MAX = 2**31 - 1


def is_indexed(job: Object) -> bool:
    """True when each pod of the Job is for an index."""
    return bool(meta.get(job, "spec", "completionMode") == "Indexed")


def counts_by_index(job: Object) -> bool:
    """True when failures are limited for each index."""
    return meta.get(job, "spec", "backoffLimitPerIndex") is not None


def completions(job: Object) -> int | None:
    """How many pods are to succeed; None when one is enough."""
    wanted = meta.get(job, "spec", "completions")
    return None if wanted is None else int(wanted)


def is_suspended(job: Object) -> bool:
    """True while no pods are to run."""
    return bool(meta.get(job, "spec", "suspend"))


def replaces_only_failed(job: Object) -> bool:
    """True when a pod that is being deleted is waited for."""
    spec = job["spec"]
    return spec.get("podReplacementPolicy") == "Failed" or spec.get("podFailurePolicy") is not None


def is_tracked(pod: Object) -> bool:
    """True until the pod was counted."""
    return FINALIZER in meta.finalizers(pod)


def is_terminating(pod: Object) -> bool:
    """True while a deleted pod still runs."""
    return meta.is_terminating(pod) and pods.phase(pod) not in ("Succeeded", "Failed")


def has_failed(pod: Object, job: Object) -> bool:
    """True when the pod failed, or is being deleted and its Job does not wait for what becomes of it."""
    if pods.phase(pod) == "Failed":
        return True
    return is_terminating(pod) and not replaces_only_failed(job)


def index_of(pod: Object, job: Object) -> int | None:
    """The pod's completion index, if it has one that the Job has too."""
    text = meta.annotations(pod).get(COMPLETION_INDEX, "")
    if not (text.isascii() and text.isdigit()):
        return None
    return int(text) if int(text) < (completions(job) or 0) else None


def index_failures(pod: Object, *annotations: str) -> int:
    """How often the pod's index had failed before it, as its annotations say."""
    return sum(_small(meta.annotations(pod).get(each, "")) for each in annotations)


def _small(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and int(text) <= INT32_MAX else 0


def finish_time(pod: Object) -> datetime:
    """When the pod ended: its last container, else when it was no longer ready, deleted, or made."""
    ends = [
        meta.get(each, "state", "terminated", "finishedAt")
        for each in (*meta.get(pod, "status", "containerStatuses", default=()), *_sidecars(pod))
    ]
    if ends and all(ends):
        return max(map(meta.parse_time, ends))
    ready = conditions.find(pod, "Ready")
    if ready is not None and ready.get("status") == "False" and ready.get("lastTransitionTime"):
        return meta.parse_time(ready["lastTransitionTime"])
    deleted = meta.metadata(pod).get("deletionTimestamp")
    if deleted:
        grace = meta.get(pod, "metadata", "deletionGracePeriodSeconds", default=0)
        return meta.parse_time(deleted) - timedelta(seconds=int(grace))
    return meta.creation_time(pod)


def _sidecars(pod: Object) -> list[Any]:
    names = {
        each["name"]
        for each in meta.get(pod, "spec", "initContainers", default=())
        if each.get("restartPolicy") == "Always"
    }
    statuses = meta.get(pod, "status", "initContainerStatuses", default=())
    return [each for each in statuses if each["name"] in names]


def untrack(pod: Object) -> Patch:
    """Let the pod go: it was counted, or need not be."""
    metadata = {"$deleteFromPrimitiveList/finalizers": [FINALIZER], "uid": meta.uid(pod)}
    return Patch(PODS, meta.namespace(pod), meta.name(pod), {"metadata": metadata}, "strategic")
