"""Core: what is special about ReplicaSets and ReplicationControllers, and about templates that stand alone.

After: k8s pkg/apis/apps/validation/validation.go, ValidateReplicaSetSpec;
pkg/apis/core/validation/validation.go, ValidateReplicationControllerSpec, ValidatePodTemplate
"""

from __future__ import annotations

from apiserver.registry import formats, selectors
from apiserver.registry.pods import pod_template
from apiserver.registry.strategy import Errors, Strategy
from apiserver.registry.workloads import deployment, workload_status
from kube.api import meta
from kube.api.errors import FieldError
from kube.api.labels import Selector
from kube.api.meta import Object

STATUS = workload_status.rule("fullyLabeledReplicas", "readyReplicas", "availableReplicas")


def validate_replica_set(o: Object) -> Errors:
    """What is wrong with a ReplicaSet; its empty selector is called a deployment's."""
    spec = o.get("spec") or {}
    errors = formats.non_negative(spec.get("replicas"), "spec.replicas")
    errors += formats.non_negative(spec.get("minReadySeconds"), "spec.minReadySeconds")
    errors += selectors.own_selector(spec, "deployment")
    return errors + pod_template.of_controller(spec.get("template") or {}, "spec.template", "ReplicaSet")


def validate_controller(o: Object) -> Errors:
    """What is wrong with a ReplicationController, whose selector is a plain map."""
    spec = o.get("spec") or {}
    selector, template = spec.get("selector") or {}, spec.get("template")
    errors = formats.non_negative(spec.get("minReadySeconds"), "spec.minReadySeconds")
    if not selector:
        errors.append(FieldError.required("spec.selector"))
    errors += formats.non_negative(spec.get("replicas"), "spec.replicas")
    if template is None:
        return [*errors, FieldError.required("spec.template")]
    if selector and not Selector.from_set(selector).matches(meta.labels(template)):
        errors.append(selectors.not_matching(meta.labels(template)))
    return errors + pod_template.of_controller(template, "spec.template", "ReplicationController")


def validate_pod_template(o: Object) -> Errors:
    """What is wrong with a PodTemplate."""
    return pod_template.check(o.get("template") or {}, "template")


REPLICA_SET = Strategy(
    counts_generation=True,
    is_complete=True,
    validate=validate_replica_set,
    validate_update=deployment.same_selector,
    subresources={"status": STATUS},
)
REPLICATION_CONTROLLER = Strategy(
    counts_generation=True,
    is_complete=True,
    orphans_by_default=True,
    validate=validate_controller,
    subresources={"status": STATUS},
)
POD_TEMPLATE = Strategy(
    counts_generation=True, returns_deleted=True, is_complete=True, validate=validate_pod_template
)
