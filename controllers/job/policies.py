"""Core: the Job's policies: what the failure of a pod means, and which indexes are success enough.

After: k8s pkg/controller/job/{pod_failure_policy,success_policy}.go
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from controllers.job.indexes import Indexes
from controllers.job.job_pods import completions
from kube.api import meta
from kube.api.meta import Object


def failure_action(job: Object, pod: Object) -> tuple[str, str]:
    """What the first matching rule says of a failed pod (Count without one), and in which words."""
    for place, rule in enumerate(meta.get(job, "spec", "podFailurePolicy", "rules", default=())):
        why = _matches(rule, pod)
        if why is not None:
            return rule["action"], f"{why} matching {rule['action']} rule at index {place}"
    return "Count", ""


def _matches(rule: Mapping[str, Any], pod: Object) -> str | None:
    wanted = rule.get("onExitCodes")
    if wanted is not None:
        return _exit_code(wanted, pod)
    for condition in meta.get(pod, "status", "conditions", default=()):
        for pattern in rule.get("onPodConditions") or ():
            if all(condition.get(part) == pattern.get(part) for part in ("type", "status")):
                return f"Pod {meta.key(pod)} has condition {condition['type']}"
    return None


def _exit_code(wanted: Mapping[str, Any], pod: Object) -> str | None:
    for field in ("containerStatuses", "initContainerStatuses"):
        for status in meta.get(pod, "status", field, default=()):
            code = meta.get(status, "state", "terminated", "exitCode", default=0)
            named = wanted.get("containerName") in (None, status["name"])
            if named and code and (code in wanted["values"]) == (wanted["operator"] == "In"):
                return f"Container {status['name']} for pod {meta.key(pod)} failed with exit code {code}"
    return None


def is_ignored(job: Object, pod: Object) -> bool:
    """True when the failure of the pod does not count."""
    return failure_action(job, pod)[0] == "Ignore"


def success(job: Object, succeeded: Indexes) -> str | None:
    """Which rule of the success policy is met, in words."""
    for place, rule in enumerate(meta.get(job, "spec", "successPolicy", "rules", default=())):
        of, count = rule.get("succeededIndexes"), rule.get("succeededCount")
        if of is None:
            met = count is not None and len(succeeded) >= count
        else:
            wanted = Indexes.parse(of, completions(job) or 0)
            reached = len(wanted & succeeded)
            met = bool(wanted.intervals) and (
                reached == len(wanted) or (count is not None and reached >= count)
            )
        if met and succeeded.intervals:
            return f"Matched rules at index {place}"
    return None
