"""Core: lets go of pods that no Job will count: theirs is gone or at its end, or they have none.

Sees: a pod, the Job that its controller reference names, if that lives.
Says: Patch. Invariants: a pod of another kind of owner, or of a Job that others manage, is left alone.
After: k8s pkg/controller/job/job_controller.go, syncOrphanPod
"""

from __future__ import annotations

from controllers.job.job_pods import is_tracked, untrack
from controllers.job_outcome import is_finished
from kube.api import meta
from kube.api.actions import Action
from kube.api.meta import Object
from kube.api.resources import JOBS

CONTROLLER = "kubernetes.io/job-controller"


def is_ours(job: Object) -> bool:
    """True unless the Job asks for another controller."""
    return bool(meta.get(job, "spec", "managedBy", default=CONTROLLER) == CONTROLLER)


def job_name(pod: Object) -> str | None:
    """The name of the Job that the pod's controller reference names, if it names one."""
    reference = meta.controller_of(pod)
    if reference is None or reference["kind"] != JOBS.kind or reference["apiVersion"] != JOBS.api_version:
        return None
    return str(reference["name"])


def may_be_stray(pod: Object, job: Object | None) -> bool:
    """True when nothing known speaks against letting the pod go."""
    reference = meta.controller_of(pod)
    if not is_tracked(pod) or (reference is not None and job_name(pod) is None):
        return False
    if reference is None or job is None or meta.uid(job) != reference["uid"]:
        return True
    return is_ours(job) and is_finished(job)


def plan(pod: Object, job: Object | None) -> list[Action]:
    """What to do for one pod."""
    return [untrack(pod)] if may_be_stray(pod, job) else []
