"""Core: defaults of kinds that are no workloads and no Services: storage, admission, flow control, classes.

After: k8s pkg/apis/{storage,admissionregistration,flowcontrol,networking}/v1/defaults.go
"""

from __future__ import annotations

from typing import Any

from kube.api.meta import Object, get
from kube.api.pod_defaults import child, fill

SHARES = 30
QUEUES = {"queues": 64, "handSize": 8, "queueLengthLimit": 50}


def csi_driver(o: Object) -> None:
    """A driver attaches volumes, and asks for nothing else."""
    fill(
        child(o, "spec"),
        {
            "attachRequired": True,
            "podInfoOnMount": False,
            "storageCapacity": False,
            "fsGroupPolicy": "ReadWriteOnceWithFSType",
            "volumeLifecycleModes": ["Persistent"],
            "requiresRepublish": False,
            "seLinuxMount": False,
        },
    )


def volume_attachment(o: Object) -> None:
    """Nothing is attached yet."""
    fill(child(o, "status"), {"attached": False})


def admission_policy(o: Object) -> None:
    """Defaults of a ValidatingAdmissionPolicy."""
    spec = child(o, "spec")
    fill(spec, {"failurePolicy": "Fail"})
    if "matchConstraints" in spec:
        match_resources(spec["matchConstraints"])
    child(o, "status")


def api_service(o: Object) -> None:
    """Another server is asked at its port for HTTPS."""
    if service := get(o, "spec", "service"):
        fill(service, {"port": 443})


def admission_policy_binding(o: Object) -> None:
    """Defaults of what a ValidatingAdmissionPolicyBinding matches."""
    if matched := get(o, "spec", "matchResources"):
        match_resources(matched)


def match_resources(matched: dict[str, Any]) -> None:
    """Everything matches that no selector leaves out."""
    fill(matched, {"matchPolicy": "Equivalent", "namespaceSelector": {}, "objectSelector": {}})
    for field in ("resourceRules", "excludeResourceRules"):
        for rule in matched.get(field) or ():
            fill(rule, {"scope": "*"})


def flow_schema(o: Object) -> None:
    """Defaults of a FlowSchema: among the last."""
    fill(child(o, "spec"), {"matchingPrecedence": 1000})
    child(o, "status")


def priority_level(o: Object) -> None:
    """Defaults of a PriorityLevelConfiguration: how much it may have, and how long its queues are."""
    spec = child(o, "spec")
    if spec.get("type") == "Exempt":
        fill(child(spec, "exempt"), {"nominalConcurrencyShares": 0, "lendablePercent": 0})
    limited = spec.get("limited")
    if limited is not None:
        fill(limited, {"nominalConcurrencyShares": SHARES, "lendablePercent": 0})
        response = child(limited, "limitResponse")
        if response.get("type") == "Queue":
            fill(child(response, "queuing"), QUEUES)
    child(o, "status")


def ingress_class(o: Object) -> None:
    """Parameters are the cluster's unless they say that they are a namespace's."""
    if parameters := get(o, "spec", "parameters"):
        fill(parameters, {"scope": "Cluster"})
