"""Core: the roles of Kubernetes' controllers, one ServiceAccount in kube-system each, as a table.

Our controller manager runs with --use-service-account-credentials, as kubeadm's does: each of its controllers
calls as its account, and may do what is here and in `OURS`.

After: k8s plugin/pkg/auth/authorizer/rbac/bootstrappolicy/controller_policy.go
"""

from __future__ import annotations

PREFIX = "system:controller:"
EVENTS = "create patch update; core events.k8s.io; events"
POD_OWNER = "get list watch create delete patch; core; pods"
REVISIONS = "create delete get list patch update watch; apps; controllerrevisions"
SCALES = "get update; *; */scale"

# Kubernetes' controllers -> their rules, each `verbs; groups; resources`
CONTROLLERS: dict[str, tuple[str, ...]] = {
    "attachdetach-controller": (
        "list watch get; core; persistentvolumes persistentvolumeclaims nodes pods",
        "patch update; core; nodes/status",
        "get create delete list watch; storage.k8s.io; volumeattachments",
        "get list watch; storage.k8s.io; csidrivers csinodes",
        EVENTS,
    ),
    "certificate-controller": (
        "delete get list watch; certificates.k8s.io; certificatesigningrequests",
        "update; certificates.k8s.io; certificatesigningrequests/approval certificatesigningrequests/status",
        "approve sign; certificates.k8s.io; signers",
        "create; authorization.k8s.io; subjectaccessreviews",
        EVENTS,
    ),
    "clusterrole-aggregation-controller": (
        "escalate get list patch update watch; rbac.authorization.k8s.io; clusterroles",
    ),
    "cronjob-controller": (
        "get list update watch; batch; cronjobs",
        "create delete get list patch update watch; batch; jobs",
        "update; batch; cronjobs/finalizers cronjobs/status",
        "delete list; core; pods",
        EVENTS,
    ),
    "daemon-set-controller": (
        "get list watch; apps; daemonsets",
        "update; apps; daemonsets/finalizers daemonsets/status",
        "list watch; core; nodes",
        POD_OWNER,
        "create; core; pods/binding",
        REVISIONS,
        EVENTS,
    ),
    "deployment-controller": (
        "get list update watch; apps; deployments",
        "update; apps; deployments/finalizers deployments/status",
        "create delete get list patch update watch; apps; replicasets",
        "get list update watch; core; pods",
        EVENTS,
    ),
    "disruption-controller": (
        "get list watch; apps; deployments replicasets statefulsets",
        "get list watch; core; pods replicationcontrollers",
        "get list watch; policy; poddisruptionbudgets",
        "update; policy; poddisruptionbudgets/status",
        "patch update; core; pods/status",
        "get; *; */scale",
        EVENTS,
    ),
    "endpoint-controller": (
        "get list watch; core; pods services",
        "create delete get list update; core; endpoints",
        "create; core; endpoints/restricted",
        EVENTS,
    ),
    "endpointslice-controller": (
        "get list watch; core; nodes pods services",
        "update; core; services/finalizers",
        "create delete get list update; discovery.k8s.io; endpointslices",
        "create; discovery.k8s.io; endpointslices/restricted",
        EVENTS,
    ),
    "endpointslicemirroring-controller": (
        "get list watch; core; endpoints services",
        "update; core; services/finalizers endpoints/finalizers",
        "create delete get list update; discovery.k8s.io; endpointslices",
        "create; discovery.k8s.io; endpointslices/restricted",
        EVENTS,
    ),
    "ephemeral-volume-controller": (
        "get list watch; core; pods",
        "update; core; pods/finalizers",
        "create get list watch; core; persistentvolumeclaims",
        EVENTS,
    ),
    "expand-controller": (
        "get list patch update watch; core; persistentvolumes",
        "patch update; core; persistentvolumeclaims/status",
        "get list watch; core; persistentvolumeclaims",
        "get list watch; storage.k8s.io; storageclasses",
        EVENTS,
    ),
    "generic-garbage-collector": ("delete get list patch update watch; *; *", EVENTS),
    "horizontal-pod-autoscaler": (
        "get list watch; autoscaling; horizontalpodautoscalers",
        "update; autoscaling; horizontalpodautoscalers/status",
        SCALES,
        "list; core; pods",
        "list; metrics.k8s.io; pods",
        "get list; custom.metrics.k8s.io external.metrics.k8s.io; *",
        EVENTS,
    ),
    "job-controller": (
        "get list patch update watch; batch; jobs",
        "update; batch; jobs/finalizers jobs/status",
        POD_OWNER,
        EVENTS,
    ),
    "legacy-service-account-token-cleaner": (
        "get; core; configmaps",
        "delete patch; core; secrets",
    ),
    "namespace-controller": (
        "delete get list watch; core; namespaces",
        "update; core; namespaces/finalize namespaces/status",
        "delete deletecollection get list; *; *",
    ),
    "node-controller": (
        "delete get list patch update; core; nodes",
        "patch update; core; nodes/status pods/status",
        "delete get list; core; pods",
        EVENTS,
    ),
    "persistent-volume-binder": (
        "create delete get list update watch; core; persistentvolumes",
        "update; core; persistentvolumes/status persistentvolumeclaims/status",
        "get list update watch; core; persistentvolumeclaims",
        "create delete get list watch; core; pods",
        "get list watch; storage.k8s.io; storageclasses",
        "get list; core; nodes",
        EVENTS,
    ),
    "pod-garbage-collector": (
        "delete list watch; core; pods",
        "get list; core; nodes",
        "patch; core; pods/status",
    ),
    "pv-protection-controller": ("get list update watch; core; persistentvolumes", EVENTS),
    "pvc-protection-controller": (
        "get list update watch; core; persistentvolumeclaims",
        "get list watch; core; pods",
        EVENTS,
    ),
    "replicaset-controller": (
        "get list update watch; apps; replicasets",
        "update; apps; replicasets/finalizers replicasets/status",
        POD_OWNER,
        EVENTS,
    ),
    "replication-controller": (
        "get list update watch; core; replicationcontrollers",
        "update; core; replicationcontrollers/finalizers replicationcontrollers/status",
        POD_OWNER,
        EVENTS,
    ),
    "resource-claim-controller": (
        "get list watch; core; pods",
        "update; core; pods/finalizers",
        "create delete get list watch; resource.k8s.io; resourceclaims",
        "patch update; resource.k8s.io; resourceclaims resourceclaims/status",
        "patch update; core; pods/status",
        EVENTS,
    ),
    "resourcequota-controller": (
        "list watch; *; *",
        "update; core; resourcequotas/status",
        EVENTS,
    ),
    "root-ca-cert-publisher": ("create update get list watch; core; configmaps", EVENTS),
    "route-controller": ("list watch; core; nodes", "patch; core; nodes/status", EVENTS),
    "service-account-controller": ("create; core; serviceaccounts", EVENTS),
    "service-cidrs-controller": (
        "get list patch update watch; networking.k8s.io; servicecidrs",
        "patch update; networking.k8s.io; servicecidrs/finalizers servicecidrs/status",
        "get list watch; networking.k8s.io; ipaddresses",
        EVENTS,
    ),
    "service-controller": (
        "get list watch; core; nodes services",
        "patch update; core; services/status",
        EVENTS,
    ),
    "statefulset-controller": (
        "get list watch; apps; statefulsets",
        "update; apps; statefulsets/finalizers statefulsets/status",
        "create delete get list patch update watch; core; pods",
        "create get list update delete watch; core; persistentvolumeclaims",
        REVISIONS,
        EVENTS,
    ),
    "ttl-after-finished-controller": ("delete get list watch; batch; jobs", EVENTS),
    "ttl-controller": ("list patch update watch; core; nodes", EVENTS),
    "validatingadmissionpolicy-status-controller": (
        "get list watch; admissionregistration.k8s.io; validatingadmissionpolicies",
        "get patch update; admissionregistration.k8s.io; validatingadmissionpolicies/status",
    ),
}

# What ours do in another way, or Kubernetes has not: patches where it updates, and a provisioner.
OURS: dict[str, tuple[str, ...]] = {
    "deployment-controller": ("patch; apps; deployments",),
    "horizontal-pod-autoscaler": ("patch; *; */scale",),
    "host-path-provisioner": (
        "get list patch update watch; core; persistentvolumeclaims",
        "create delete get list update watch; core; persistentvolumes",
        "patch update; core; persistentvolumes/status persistentvolumeclaims/status",
        "get list watch; storage.k8s.io; storageclasses",
        EVENTS,
    ),
    "pod-garbage-collector": ("update; core; pods/status", EVENTS),
}


def rules() -> dict[str, tuple[str, ...]]:
    """Controller -> all that it may do."""
    return {name: CONTROLLERS.get(name, ()) + OURS.get(name, ()) for name in sorted({*CONTROLLERS, *OURS})}
