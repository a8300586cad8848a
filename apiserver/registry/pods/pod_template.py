"""Core: the template that controllers make pods of: labels, annotations and a spec.

After: k8s pkg/apis/core/validation/validation.go, ValidatePodTemplateSpec
"""

from __future__ import annotations

from typing import Any

from apiserver.registry import names
from apiserver.registry.pods import pod_annotations, pod_spec
from apiserver.registry.strategy import Errors
from kube.api import meta
from kube.api.errors import FieldError


def check(template: Any, path: str) -> Errors:
    """What is wrong with a pod template."""
    spec, annotations = template.get("spec") or {}, meta.annotations(template)
    errors = names.check_labels(meta.labels(template), f"{path}.labels")
    errors += names.check_annotations(annotations, f"{path}.annotations")
    errors += pod_annotations.check(annotations, spec, f"{path}.annotations")
    errors += pod_spec.validate(spec, f"{path}.spec")
    if spec.get("ephemeralContainers"):
        text = "ephemeral containers not allowed in pod template"
        errors.append(FieldError.forbidden(f"{path}.spec.ephemeralContainers", text))
    return errors


def of_controller(template: Any, path: str, kind: str) -> Errors:
    """What is wrong with the template of a controller whose pods run for ever."""
    return check(template, path) + runs_for_ever(template, path, kind)


def runs_for_ever(template: Any, path: str, kind: str) -> Errors:
    """Pods of most controllers are restarted always and have no deadline."""
    spec = template.get("spec") or {}
    errors: Errors = []
    if spec.get("restartPolicy") != "Always":
        policy = spec.get("restartPolicy") or ""
        errors.append(FieldError.not_supported(f"{path}.spec.restartPolicy", policy, ("Always",)))
    if "activeDeadlineSeconds" in spec:
        text = f"activeDeadlineSeconds in {kind} is not Supported"
        errors.append(FieldError.forbidden(f"{path}.spec.activeDeadlineSeconds", text))
    return errors
