"""Core: the FlowSchemas and PriorityLevelConfigurations every cluster begins with, as tables.

They are what a real API server makes; `flow_control/` goes by them.

After: k8s staging/src/k8s.io/apiserver/pkg/apis/flowcontrol/bootstrap/default.go
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from apiserver.authentication.user import AUTHENTICATED, MASTERS, UNAUTHENTICATED
from kube.api.meta import Object

API_VERSION = "flowcontrol.apiserver.k8s.io/v1"
# Where this says false, the spec is the user's own.
AUTO_UPDATE = "apf.kubernetes.io/autoupdate-spec"

# name -> shares, lendable percent, queues, hand size, queue length; no queues: refuse at once
LEVELS: dict[str, tuple[int, int, int, int, int]] = {
    "catch-all": (5, 0, 0, 0, 0),
    "global-default": (20, 50, 128, 6, 50),
    "leader-election": (10, 0, 16, 4, 50),
    "node-high": (40, 25, 64, 6, 50),
    "system": (30, 33, 64, 6, 50),
    "workload-high": (40, 50, 128, 6, 50),
    "workload-low": (100, 90, 128, 6, 50),
}

Rules = dict[str, Any]


def _resource(verbs: str, group: str, resources: str, *, cluster: bool = False) -> Rules:
    rule: Rules = {"verbs": verbs.split(), "apiGroups": [group], "resources": resources.split()}
    return {"resourceRules": [rule | ({"clusterScope": True} if cluster else {}) | {"namespaces": ["*"]}]}


def _paths(verbs: str, urls: str) -> Rules:
    return {"nonResourceRules": [{"verbs": verbs.split(), "nonResourceURLs": urls.split()}]}


def _both(one: Rules, other: Rules) -> Rules:
    return {key: [*one.get(key, ()), *other.get(key, ())] for key in one | other}


ALL = _both(_resource("*", "*", "*", cluster=True), _paths("*", "*"))
LEASES = _resource("get create update", "coordination.k8s.io", "leases")
LOCKS = _both(_resource("get create update", "", "endpoints configmaps"), LEASES)
ENDPOINTS = _resource("get create update", "", "endpoints")
HEARTBEATS = _both(
    _resource("*", "", "nodes nodes/status", cluster=True), _resource("*", "coordination.k8s.io", "leases")
)
EVERYONE = f"group:{UNAUTHENTICATED} group:{AUTHENTICATED}"
MANAGER, SCHEDULER = "user:system:kube-controller-manager", "user:system:kube-scheduler"

# name -> level, precedence, what tells flows apart, subjects, rules
SCHEMAS: dict[str, tuple[str, int, str, str, Rules]] = {
    "exempt": ("exempt", 1, "", f"group:{MASTERS}", ALL),
    "probes": ("exempt", 2, "", EVERYONE, _paths("get", "/healthz /readyz /livez")),
    "system-leader-election": ("leader-election", 100, "ByUser", f"{MANAGER} {SCHEDULER} account:*", LEASES),
    "endpoint-controller": (
        "workload-high",
        150,
        "ByUser",
        f"{MANAGER} account:endpoint-controller account:endpointslicemirroring-controller",
        ENDPOINTS,
    ),
    "workload-leader-election": ("leader-election", 200, "ByUser", "account:*", LOCKS),
    "system-node-high": ("node-high", 400, "ByUser", "group:system:nodes", HEARTBEATS),
    "system-nodes": ("system", 500, "ByUser", "group:system:nodes", ALL),
    "kube-controller-manager": ("workload-high", 800, "ByNamespace", MANAGER, ALL),
    "kube-scheduler": ("workload-high", 800, "ByNamespace", SCHEDULER, ALL),
    "kube-system-service-accounts": ("workload-high", 900, "ByNamespace", "account:*", ALL),
    "service-accounts": ("workload-low", 9000, "ByUser", "group:system:serviceaccounts", ALL),
    "global-default": ("global-default", 9900, "ByUser", EVERYONE, ALL),
    "catch-all": ("catch-all", 10000, "ByUser", EVERYONE, ALL),
}


def objects(now: str) -> Iterable[Object]:
    """All of them, as one would POST them, with the status they then have."""
    exempt = {"nominalConcurrencyShares": 0, "lendablePercent": 0}
    yield _object("PriorityLevelConfiguration", "exempt", {"type": "Exempt", "exempt": exempt})
    for name, (shares, lendable, queues, hand_size, length) in LEVELS.items():
        response: Object = {"type": "Queue" if queues else "Reject"}
        if queues:
            response["queuing"] = {"queues": queues, "handSize": hand_size, "queueLengthLimit": length}
        limited = {
            "nominalConcurrencyShares": shares,
            "lendablePercent": lendable,
            "limitResponse": response,
        }
        yield _object("PriorityLevelConfiguration", name, {"type": "Limited", "limited": limited})
    for name, (level, precedence, method, subjects, rules) in SCHEMAS.items():
        spec: Object = {
            "priorityLevelConfiguration": {"name": level},
            "matchingPrecedence": precedence,
            "rules": [{"subjects": [_subject(each) for each in subjects.split()], **rules}],
        }
        if method:
            spec["distinguisherMethod"] = {"type": method}
        yield _object("FlowSchema", name, spec) | {"status": {"conditions": [dangling(level, now)]}}


def _object(kind: str, name: str, spec: Object) -> Object:
    metadata = {"name": name, "annotations": {AUTO_UPDATE: "true"}}
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": spec}


def _subject(text: str) -> Object:
    kind, _, name = text.partition(":")
    if kind == "account":
        account = {"namespace": "kube-system", "name": name}
        return {"kind": "ServiceAccount", "serviceAccount": account}
    return {"kind": kind.title(), kind: {"name": name}}


def dangling(level: str, now: str, *, is_there: bool = True) -> Object:
    """The condition of a FlowSchema that says whether its level exists."""
    what = "it exists" if is_there else "there is no such object"
    conjunction = "and" if is_there else "but"
    return {
        "type": "Dangling",
        "status": "False" if is_there else "True",
        "reason": "Found" if is_there else "NotFound",
        "message": (
            f'This FlowSchema references the PriorityLevelConfiguration object named "{level}" '
            f"{conjunction} {what}"
        ),
        "lastTransitionTime": now,
    }
