"""Core: the roles and bindings that two of the first namespaces begin with, as tables.

After: k8s plugin/pkg/auth/authorizer/rbac/bootstrappolicy/namespace_policy.go
"""

from __future__ import annotations

SYSTEM, PUBLIC = "kube-system", "kube-public"
READER = "extension-apiserver-authentication-reader"
SIGNER, CLEANER, CLOUD = (
    f"system:controller:{name}" for name in ("bootstrap-signer", "token-cleaner", "cloud-provider")
)
MANAGER_LOCK, SCHEDULER_LOCK = (
    f"system::leader-locking-{name}" for name in ("kube-controller-manager", "kube-scheduler")
)
# The server of metrics.k8s.io, as a user and as its roles; it makes itself known.
METRICS_SERVER = "system:metrics-server"
EVENTS = "create patch update; core events.k8s.io; events"

# (namespace, role) -> its rules, each `verbs; groups; resources; names`
ROLES: dict[tuple[str, str], tuple[str, ...]] = {
    (SYSTEM, READER): ("get list watch; core; configmaps; extension-apiserver-authentication",),
    (SYSTEM, SIGNER): ("get list watch; core; secrets",),
    (SYSTEM, CLOUD): ("create get list watch; core; configmaps",),
    (SYSTEM, CLEANER): ("delete get list watch; core; secrets", EVENTS),
    (SYSTEM, MANAGER_LOCK): (
        "watch; core; configmaps",
        "get update; core; configmaps; kube-controller-manager",
        "create get list update watch; coordination.k8s.io; leases",
    ),
    (SYSTEM, SCHEDULER_LOCK): (
        "watch; core; configmaps",
        "get update; core; configmaps; kube-scheduler",
    ),
    (SYSTEM, METRICS_SERVER): (
        "create patch; core; services; metrics-server",
        "create patch; discovery.k8s.io; endpointslices; metrics-server",
    ),
    (PUBLIC, SIGNER): (
        "get list watch; core; configmaps",
        "update; core; configmaps; cluster-info",
        EVENTS,
    ),
}
# (namespace, binding) -> role, users, accounts in kube-system
BINDINGS: dict[tuple[str, str], tuple[str, str, str]] = {
    (SYSTEM, f"system::{READER}"): (READER, "system:kube-controller-manager system:kube-scheduler", ""),
    (SYSTEM, f"{METRICS_SERVER}:{READER}"): (READER, METRICS_SERVER, ""),
    (SYSTEM, METRICS_SERVER): (METRICS_SERVER, METRICS_SERVER, ""),
    (SYSTEM, MANAGER_LOCK): (
        MANAGER_LOCK,
        "system:kube-controller-manager",
        "kube-controller-manager leader-election-controller",
    ),
    (SYSTEM, SCHEDULER_LOCK): (SCHEDULER_LOCK, "system:kube-scheduler", "kube-scheduler"),
    (SYSTEM, SIGNER): (SIGNER, "", "bootstrap-signer"),
    (SYSTEM, CLOUD): (CLOUD, "", "cloud-provider"),
    (SYSTEM, CLEANER): (CLEANER, "", "token-cleaner"),
    (PUBLIC, SIGNER): (SIGNER, "", "bootstrap-signer"),
}
