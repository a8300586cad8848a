"""Core: the roles and bindings every cluster begins with, as tables.

They are made at start where they are missing, and their rules are put right where they differ, unless the
object's annotation autoupdate says false.

After: k8s plugin/pkg/auth/authorizer/rbac/bootstrappolicy/{policy,namespace_policy}.go
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from apiserver.authorization import controller_policy, namespace_policy
from kube.api.meta import Object

GROUP = "rbac.authorization.k8s.io"
API_VERSION = f"{GROUP}/v1"
AUTO_UPDATE = "rbac.authorization.kubernetes.io/autoupdate"
BOOTSTRAPPING = {"kubernetes.io/bootstrapping": "rbac-defaults"}
METRICS_READER = "system:aggregated-metrics-reader"
AGGREGATE = "rbac.authorization.k8s.io/aggregate-to-"

READ = "get list watch"
WRITE = "create delete deletecollection patch update"
LEASES = "coordination.k8s.io leases"
REQUESTS = "certificates.k8s.io certificatesigningrequests"


def rule(verbs: str, group: str, resources: str, names: str = "") -> dict[str, Any]:
    """A rule from words: `rule("get list", "", "pods pods/log")`; group `core` is the empty one."""
    groups = ["" if each == "core" else each for each in group.split()]
    made: dict[str, Any] = {"verbs": verbs.split(), "apiGroups": groups, "resources": resources.split()}
    return made | ({"resourceNames": names.split()} if names else {})


def urls(verbs: str, paths: str) -> dict[str, Any]:
    """A rule about paths that are no resources."""
    return {"verbs": verbs.split(), "nonResourceURLs": paths.split()}


EVENT_RULE = rule("create patch update", "core events.k8s.io", "events")
TOKEN_RULES = [
    rule("create", "authentication.k8s.io", "tokenreviews"),
    rule("create", "authorization.k8s.io", "subjectaccessreviews"),
]
WORKLOADS = (
    "daemonsets deployments deployments/scale replicasets replicasets/scale statefulsets statefulsets/scale"
)
VIEWED = [
    rule(
        READ,
        "core",
        "configmaps endpoints persistentvolumeclaims persistentvolumeclaims/status pods "
        "replicationcontrollers replicationcontrollers/scale serviceaccounts services "
        "services/status bindings events limitranges namespaces/status pods/log pods/status "
        "replicationcontrollers/status resourcequotas resourcequotas/status namespaces",
    ),
    rule(
        READ,
        "apps",
        f"controllerrevisions {WORKLOADS} daemonsets/status deployments/status replicasets/status "
        "statefulsets/status",
    ),
    rule(READ, "batch", "cronjobs cronjobs/status jobs jobs/status"),
    rule(READ, "autoscaling", "horizontalpodautoscalers horizontalpodautoscalers/status"),
    rule(READ, "policy", "poddisruptionbudgets poddisruptionbudgets/status"),
    rule(READ, "networking.k8s.io", "ingresses ingresses/status networkpolicies"),
    rule(READ, "discovery.k8s.io", "endpointslices"),
    rule(READ, "events.k8s.io", "events"),
]
EDITED = [
    rule(READ, "core", "pods/attach pods/exec pods/portforward pods/proxy secrets services/proxy"),
    rule("impersonate", "core", "serviceaccounts"),
    rule(WRITE, "core", "pods pods/attach pods/exec pods/portforward pods/proxy"),
    rule("create", "core", "pods/eviction"),
    rule(
        WRITE,
        "core",
        "configmaps events persistentvolumeclaims replicationcontrollers replicationcontrollers/scale "
        "secrets serviceaccounts services services/proxy",
    ),
    rule("create", "core", "serviceaccounts/token"),
    rule(WRITE, "apps", f"{WORKLOADS} deployments/rollback"),
    rule(WRITE, "batch", "cronjobs jobs"),
    rule(WRITE, "autoscaling", "horizontalpodautoscalers"),
    rule(WRITE, "policy", "poddisruptionbudgets"),
    rule(WRITE, "networking.k8s.io", "ingresses networkpolicies"),
    rule(f"{READ} {WRITE}", LEASES.split()[0], "leases"),
]
ADMINISTERED = [
    rule("create", "authorization.k8s.io", "localsubjectaccessreviews"),
    rule(f"{READ} {WRITE}", GROUP, "rolebindings roles"),
]

# What kubelets do. The Node authorizer lets each do it where it concerns its own node.
NODE_RULES = [
    *TOKEN_RULES,
    rule("create", "authorization.k8s.io", "localsubjectaccessreviews"),
    rule(READ, "core", "services pods"),
    rule(f"create {READ} patch update", "core", "nodes"),
    rule("patch update", "core", "nodes/status"),
    rule("create delete", "core", "pods"),
    rule("patch update", "core", "pods/status"),
    rule("create", "core", "pods/eviction"),
    rule(READ, "core", "configmaps secrets"),
    rule("get", "core", "persistentvolumeclaims persistentvolumes endpoints"),
    rule("get patch update", "core", "persistentvolumeclaims/status"),
    rule("create", "core", "serviceaccounts/token"),
    EVENT_RULE,
    rule("create delete get patch update", *LEASES.split()),
    rule(READ, "storage.k8s.io", "csidrivers"),
    rule("create delete get patch update", "storage.k8s.io", "csinodes"),
    rule("get", "storage.k8s.io", "volumeattachments"),
    rule(READ, "node.k8s.io", "runtimeclasses"),
    rule(f"create {READ}", *REQUESTS.split()),
]

CLUSTER_ROLES: dict[str, list[dict[str, Any]]] = {
    "cluster-admin": [rule("*", "*", "*"), urls("*", "*")],
    "system:discovery": [
        urls(
            "get", "/api /api/* /apis /apis/* /healthz /livez /openapi /openapi/* /readyz /version /version/"
        )
    ],
    "system:public-info-viewer": [urls("get", "/healthz /livez /readyz /version /version/")],
    "system:basic-user": [
        rule("create", "authorization.k8s.io", "selfsubjectaccessreviews selfsubjectrulesreviews"),
        rule("create", "authentication.k8s.io", "selfsubjectreviews"),
    ],
    "system:monitoring": [
        urls("get", "/healthz /healthz/* /livez /livez/* /metrics /metrics/slis /readyz /readyz/*")
    ],
    "system:auth-delegator": TOKEN_RULES,
    "system:service-account-issuer-discovery": [
        urls("get", "/.well-known/openid-configuration /openid/v1/jwks/ /openid/v1/jwks")
    ],
    "system:heapster": [
        rule(READ, "core", "events namespaces nodes pods"),
        rule(READ, "apps", "deployments"),
    ],
    "system:kube-scheduler": [
        EVENT_RULE,
        rule(f"create {READ} update patch", *LEASES.split()),
        rule(
            READ,
            "core",
            "nodes namespaces persistentvolumeclaims persistentvolumes replicationcontrollers services",
        ),
        rule("delete get list watch", "core", "pods"),
        rule("create", "core", "bindings pods/binding"),
        rule("patch update", "core", "pods/status"),
        rule(READ, "apps", "replicasets statefulsets"),
        rule(READ, "policy", "poddisruptionbudgets"),
        rule(
            READ,
            "storage.k8s.io",
            "csidrivers csinodes csistoragecapacities storageclasses volumeattachments",
        ),
        rule(READ, "scheduling.k8s.io", "priorityclasses"),
        *TOKEN_RULES,
    ],
    # It reads everything for its controllers, which write with accounts and roles of their own.
    "system:kube-controller-manager": [
        EVENT_RULE,
        rule("create", "coordination.k8s.io", "leases"),
        rule("get update", "coordination.k8s.io", "leases", "kube-controller-manager"),
        rule("create", "core", "secrets serviceaccounts serviceaccounts/token"),
        rule("delete", "core", "secrets"),
        rule("get", "core", "namespaces secrets serviceaccounts configmaps"),
        rule("update", "core", "secrets serviceaccounts"),
        rule("create", "authentication.k8s.io", "tokenreviews"),
        rule("create", "authorization.k8s.io", "subjectaccessreviews"),
        rule("list watch", "*", "*"),
    ],
    "system:node": NODE_RULES,
    # One process that plays many nodes; Kubernetes has no such thing.
    "system:kubelite:node-fleet": NODE_RULES,
    "system:node-proxier": [
        rule("list watch", "core", "services endpoints"),
        rule(READ, "core", "nodes"),
        EVENT_RULE,
        rule("list watch", "discovery.k8s.io", "endpointslices"),
    ],
    # What kubeadm gives to CoreDNS; our proxy answers names.
    "system:coredns": [
        rule("list watch", "core", "endpoints services pods namespaces"),
        rule("list watch", "discovery.k8s.io", "endpointslices"),
    ],
    "system:node-problem-detector": [
        rule("get", "core", "nodes"),
        rule("patch", "core", "nodes/status"),
        EVENT_RULE,
    ],
    "system:kube-dns": [rule("list watch", "core", "endpoints services")],
    "system:kube-aggregator": [rule(READ, "core", "endpoints services")],
    "system:kubelet-api-admin": [
        rule(READ, "core", "nodes"),
        rule("proxy", "core", "nodes"),
        rule(
            "*",
            "core",
            "nodes/configz nodes/healthz nodes/log nodes/metrics nodes/pods nodes/proxy nodes/stats",
        ),
    ],
    "system:node-bootstrapper": [rule("create get list watch", *REQUESTS.split())],
    "system:volume-scheduler": [
        rule("get list patch update watch", "core", "persistentvolumes"),
        rule(READ, "storage.k8s.io", "storageclasses"),
        rule("get list patch update watch", "core", "persistentvolumeclaims"),
    ],
    **{
        f"system:{REQUESTS.replace(' ', ':')}:{who}": [rule("create", *f"{REQUESTS}/{who}".split())]
        for who in ("nodeclient", "selfnodeclient")
    },
    **{
        f"system:certificates.k8s.io:{signer}-approver": [
            rule("approve", "certificates.k8s.io", "signers", f"kubernetes.io/{signer}")
        ]
        for signer in (
            "kube-apiserver-client",
            "kube-apiserver-client-kubelet",
            "kubelet-serving",
            "legacy-unknown",
        )
    },
    "system:persistent-volume-provisioner": [
        rule("create delete get list watch", "core", "persistentvolumes"),
        rule("get list update watch", "core", "persistentvolumeclaims"),
        rule(READ, "storage.k8s.io", "storageclasses"),
        EVENT_RULE,
    ],
    "system:aggregate-to-view": VIEWED,
    "system:aggregate-to-edit": EDITED,
    "system:aggregate-to-admin": ADMINISTERED,
    # metrics-server brings these along.
    METRICS_READER: [rule("get list", "metrics.k8s.io", "nodes pods")],
    namespace_policy.METRICS_SERVER: [
        rule("get", "core", "nodes/metrics"),
        rule("get list watch", "core", "pods nodes"),
        # Ours makes itself known.
        rule("create patch", "apiregistration.k8s.io", "apiservices", "v1beta1.metrics.k8s.io"),
    ],
    "view": VIEWED,
    "edit": [*EDITED, *VIEWED],
    "admin": [*EDITED, *VIEWED, *ADMINISTERED],
}
# role -> (subject kind, subject name)
CLUSTER_BINDINGS: dict[str, list[tuple[str, str]]] = {
    "cluster-admin": [("Group", "system:masters")],
    "system:monitoring": [("Group", "system:monitoring")],
    "system:discovery": [("Group", "system:authenticated")],
    "system:basic-user": [("Group", "system:authenticated")],
    "system:public-info-viewer": [("Group", "system:authenticated"), ("Group", "system:unauthenticated")],
    "system:service-account-issuer-discovery": [("Group", "system:serviceaccounts")],
    "system:kube-scheduler": [("User", "system:kube-scheduler")],
    "system:volume-scheduler": [("User", "system:kube-scheduler")],
    "system:kube-controller-manager": [("User", "system:kube-controller-manager")],
    # Nobody: each node has these rights by the Node authorizer, for itself.
    "system:node": [],
    namespace_policy.METRICS_SERVER: [("User", namespace_policy.METRICS_SERVER)],
    "system:auth-delegator": [("User", namespace_policy.METRICS_SERVER)],
    "system:kubelite:node-fleet": [("User", "system:kubelite:node-fleet")],
    "system:coredns": [("User", "system:kube-proxy")],
    "system:node-proxier": [("User", "system:kube-proxy")],
}
AGGREGATED = {
    "system:aggregate-to-view": "view",
    "system:aggregate-to-edit": "edit",
    "system:aggregate-to-admin": "admin",
}


def objects() -> Iterable[Object]:
    """All of them, as one would POST them."""
    for name, rules in CLUSTER_ROLES.items():
        role: Object = _object("ClusterRole", name) | {"rules": rules}
        if name in AGGREGATED:
            role["metadata"]["labels"][AGGREGATE + AGGREGATED[name]] = "true"
        elif name in AGGREGATED.values():
            label = {"matchLabels": {AGGREGATE + name: "true"}}
            role["aggregationRule"] = {"clusterRoleSelectors": [label]}
        elif name == METRICS_READER:
            role["metadata"]["labels"] |= {AGGREGATE + each: "true" for each in AGGREGATED.values()}
        if name in ("view", "edit"):
            role["metadata"]["labels"][AGGREGATE + {"view": "edit", "edit": "admin"}[name]] = "true"
        yield role
    for name, lines in controller_policy.rules().items():
        yield _object("ClusterRole", controller_policy.PREFIX + name) | {"rules": _rules(lines)}
        yield _binding(controller_policy.PREFIX + name, [_account(name)])
    yield _binding("system:kube-dns", [_account("kube-dns")])
    for name, subjects in CLUSTER_BINDINGS.items():
        yield _binding(name, [{"apiGroup": GROUP, "kind": kind, "name": each} for kind, each in subjects])
    yield from _in_namespaces()


def _in_namespaces() -> Iterable[Object]:
    for (namespace, name), lines in namespace_policy.ROLES.items():
        yield _object("Role", name, namespace) | {"rules": _rules(lines)}
    for (namespace, name), (role, users, accounts) in namespace_policy.BINDINGS.items():
        subjects = [{"apiGroup": GROUP, "kind": "User", "name": each} for each in users.split()]
        reference = {"apiGroup": GROUP, "kind": "Role", "name": role}
        binding = {"roleRef": reference, "subjects": [*subjects, *map(_account, accounts.split())]}
        yield _object("RoleBinding", name, namespace) | binding


def _rules(lines: Iterable[str]) -> list[dict[str, Any]]:
    """Rules from lines of `verbs; groups; resources; names`."""
    return [rule(*(part.strip() for part in line.split(";"))) for line in lines]


def _account(name: str) -> dict[str, Any]:
    return {"kind": "ServiceAccount", "name": name, "namespace": "kube-system"}


def _binding(role: str, subjects: list[dict[str, Any]]) -> Object:
    reference = {"apiGroup": GROUP, "kind": "ClusterRole", "name": role}
    return _object("ClusterRoleBinding", role) | {"roleRef": reference, "subjects": subjects}


def _object(kind: str, name: str, namespace: str = "") -> Object:
    metadata = {"name": name, "labels": dict(BOOTSTRAPPING), "annotations": {AUTO_UPDATE: "true"}}
    if namespace:
        metadata["namespace"] = namespace
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata}
