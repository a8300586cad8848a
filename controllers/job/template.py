"""Core: the pod that a Job's template makes, for an index or for none.

After: k8s pkg/controller/job/job_controller.go, manageJob; indexed_job_utils.go
"""

from __future__ import annotations

from typing import Any

from controllers.job.job_pods import (
    COMPLETION_INDEX,
    FINALIZER,
    INDEX_FAILURES,
    INDEX_IGNORED_FAILURES,
    counts_by_index,
    index_failures,
)
from controllers.job.policies import is_ignored
from kube.api import meta
from kube.api.meta import Object
from kube.api.names import BASE_LENGTH_MAX
from kube.api.resources import JOBS

INDEX_VARIABLE = {
    "name": "JOB_COMPLETION_INDEX",
    "valueFrom": {"fieldRef": {"fieldPath": f"metadata.labels['{COMPLETION_INDEX}']"}},
}


def pod_for(job: Object, index: int | None, replaced: Object | None = None) -> Object:
    """The next pod, which follows the failed `replaced`."""
    template: dict[str, Any] = meta.deep_copy(job["spec"]["template"])
    given = template.get("metadata") or {}
    metadata = {part: given[part] for part in ("labels", "annotations") if given.get(part)}
    finalizers = given.get("finalizers") or []
    metadata |= {
        "finalizers": finalizers if FINALIZER in finalizers else [*finalizers, FINALIZER],
        "generateName": f"{meta.name(job)}-",
        "namespace": meta.namespace(job),
        "ownerReferences": [meta.owner_reference(job, JOBS)],
    }
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template.get("spec") or {}}
    if index is not None:
        _place(pod, job, index, replaced)
    return pod


def _place(pod: Object, job: Object, index: int, replaced: Object | None) -> None:
    """Tell the pod its index: in its name, host name, label, annotation and environment."""
    metadata, spec = pod["metadata"], pod["spec"]
    suffix = f"-{index}-"
    metadata["generateName"] = meta.name(job)[: BASE_LENGTH_MAX - len(suffix)] + suffix
    metadata["labels"] = {**metadata.get("labels", {}), COMPLETION_INDEX: str(index)}
    metadata["annotations"] = {**metadata.get("annotations", {}), COMPLETION_INDEX: str(index)}
    spec["hostname"] = f"{meta.name(job)}-{index}"
    for container in (*(spec.get("initContainers") or ()), *(spec.get("containers") or ())):
        variables = container.get("env") or []
        if all(each["name"] != INDEX_VARIABLE["name"] for each in variables):
            container["env"] = [*variables, meta.deep_copy(INDEX_VARIABLE)]
    if counts_by_index(job):
        metadata["annotations"] |= _failures(job, replaced)


def _failures(job: Object, replaced: Object | None) -> dict[str, str]:
    """How often the index has failed by now; failures that do not count are told when there were any."""
    if replaced is None:
        return {INDEX_FAILURES: "0"}
    ignored = is_ignored(job, replaced)
    counted = index_failures(replaced, INDEX_FAILURES) + (not ignored)
    uncounted = index_failures(replaced, INDEX_IGNORED_FAILURES) + ignored
    annotations = {INDEX_FAILURES: str(counted)}
    return annotations | ({INDEX_IGNORED_FAILURES: str(uncounted)} if uncounted else {})
