"""Core: what is special about Pods: their first status, and which door changes what.

    create               everything but ephemeral containers
    update               images, deadlines, more tolerations, fewer gates    pod_update.py
    /status              what kubelets saw                                   pod_status.py
    /ephemeralcontainers more of them                                        pod_update.py
    /resize              how much cpu and memory                             pod_resize.py

After: k8s pkg/registry/core/pod/strategy.go; pkg/apis/core/validation/validation.go, ValidatePodCreate
"""

from __future__ import annotations

from apiserver.registry.pods import pod_annotations, pod_resize, pod_spec, pod_status, pod_update
from apiserver.registry.strategy import Errors, Strategy
from kube.api import meta
from kube.api.errors import FieldError
from kube.api.meta import Object

GATED = {
    "type": "PodScheduled",
    "status": "False",
    "reason": "SchedulingGated",
    "message": "Scheduling is blocked due to non-empty scheduling gates",
}


def prepare_create(o: Object) -> None:
    """A gated pod says that it waits."""
    if meta.get(o, "spec", "schedulingGates"):
        o["status"]["conditions"] = [dict(GATED)]


def prepare_update(new: Object, _old: Object) -> None:
    """Gates gone: the scheduler may look at the pod."""
    if not meta.get(new, "spec", "schedulingGates"):
        status = new.get("status") or {}
        conditions = [
            each for each in status.get("conditions") or [] if each.get("reason") != "SchedulingGated"
        ]
        if "conditions" in status:
            status["conditions"] = conditions
            if not conditions:
                del status["conditions"]


def validate(o: Object) -> Errors:
    """What is wrong with a pod."""
    spec, annotations = o.get("spec") or {}, meta.annotations(o)
    errors = pod_annotations.check(annotations, spec, "metadata.annotations") if annotations else []
    errors += pod_spec.validate(spec, "spec", is_template=False, pod_name=meta.name(o))
    if not spec.get("serviceAccountName"):
        errors += _tokens_of_nobody(spec)
    return errors


def _tokens_of_nobody(spec: Object) -> Errors:
    """A projected token is the service account's."""
    text = "must not be specified when serviceAccountName is not set"
    return [
        FieldError.forbidden(f"spec.volumes[{i}].projected.sources[{j}].serviceAccountToken", text)
        for i, volume in enumerate(spec.get("volumes") or ())
        for j, source in enumerate((volume.get("projected") or {}).get("sources") or ())
        if "serviceAccountToken" in source
    ]


def validate_create(o: Object) -> Errors:
    """What is wrong with a pod only when it is new."""
    spec = o.get("spec") or {}
    errors: Errors = []
    if spec.get("ephemeralContainers"):
        errors.append(FieldError.forbidden("spec.ephemeralContainers", "cannot be set on create"))
    if spec.get("nodeName") and spec.get("schedulingGates"):
        text = "cannot be set until all schedulingGates have been cleared"
        errors.append(FieldError.forbidden("spec.nodeName", text))
    return errors


def _ephemeral(new: Object, old: Object) -> Errors:
    return validate(new) + pod_update.ephemeral_containers(new, old)


def _resize(new: Object, old: Object) -> Errors:
    return validate(new) + pod_resize.changes(new, old)


STRATEGY = Strategy(
    returns_deleted=True,
    is_graceful=True,
    is_complete=True,
    prepare_create=prepare_create,
    prepare_update=prepare_update,
    validate=validate,
    validate_create=validate_create,
    validate_update=pod_update.changes,
    subresources={"status": pod_status.changes, "ephemeralcontainers": _ephemeral, "resize": _resize},
)
