"""Core: fills in what a user left out, so that every reader sees the whole object.

One function a kind, found in DEFAULTS; each sets only what is absent, and asks for nothing but the object
itself. Defaults that need the cluster (service accounts, cluster IPs, priorities) are admission's and the
strategies' work.

Invariants: applying twice changes nothing more.
After: k8s pkg/apis/*/v1/defaults.go, SetDefaults_* functions.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from kube.api import other_defaults
from kube.api.gvk import GroupVersionKind
from kube.api.meta import Object, get
from kube.api.pod_defaults import child, fill, pod, template
from kube.api.resources import Resource

# How fast an autoscaler works that says something of that, but not this; in quarters of a minute.
SCALING: dict[str, dict[str, Any]] = {
    "scaleUp": {
        "stabilizationWindowSeconds": 0,
        "selectPolicy": "Max",
        "policies": [
            {"type": "Pods", "value": 4, "periodSeconds": 15},
            {"type": "Percent", "value": 100, "periodSeconds": 15},
        ],
    },
    "scaleDown": {
        "selectPolicy": "Max",
        "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}],
    },
}
RBAC_GROUP = "rbac.authorization.k8s.io"


def apply_defaults(kind: Resource | GroupVersionKind, o: Object) -> None:
    """Fill in the defaults of a kind, in place; the caller hands over a copy of its own."""
    default = DEFAULTS.get((kind.group, kind.kind))
    if default is not None:
        default(o)


def deployment(o: Object) -> None:
    """Defaults of a Deployment."""
    spec = child(o, "spec")
    fill(spec, {"replicas": 1, "revisionHistoryLimit": 10, "progressDeadlineSeconds": 600})
    strategy = child(spec, "strategy")
    fill(strategy, {"type": "RollingUpdate"})
    if strategy["type"] == "RollingUpdate":
        fill(child(strategy, "rollingUpdate"), {"maxUnavailable": "25%", "maxSurge": "25%"})
    template(child(spec, "template"))
    child(o, "status")


def replica_set(o: Object) -> None:
    """Defaults of a ReplicaSet."""
    spec = child(o, "spec")
    fill(spec, {"replicas": 1})
    template(child(spec, "template"))
    fill(child(o, "status"), {"replicas": 0})


def replication_controller(o: Object) -> None:
    """Defaults of a ReplicationController: its selector is its template's labels."""
    spec = child(o, "spec")
    fill(spec, {"replicas": 1})
    if "template" in spec:
        template(spec["template"])
        labels = get(spec, "template", "metadata", "labels")
        if labels:
            fill(spec, {"selector": labels})
            fill(child(o, "metadata"), {"labels": labels})
    fill(child(o, "status"), {"replicas": 0})


def stateful_set(o: Object) -> None:
    """Defaults of a StatefulSet."""
    spec = child(o, "spec")
    fill(
        spec,
        {
            "replicas": 1,
            "podManagementPolicy": "OrderedReady",
            "revisionHistoryLimit": 10,
            "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Retain"},
        },
    )
    strategy = child(spec, "updateStrategy")
    fill(strategy, {"type": "RollingUpdate"})
    if strategy["type"] == "RollingUpdate":
        fill(child(strategy, "rollingUpdate"), {"partition": 0})
    template(child(spec, "template"))
    for claim in spec.get("volumeClaimTemplates") or ():
        fill(claim, {"kind": "PersistentVolumeClaim", "apiVersion": "v1"})
        persistent_volume_claim(claim)
    fill(child(o, "status"), {"replicas": 0, "availableReplicas": 0})


def daemon_set(o: Object) -> None:
    """Defaults of a DaemonSet."""
    spec = child(o, "spec")
    fill(spec, {"revisionHistoryLimit": 10})
    strategy = child(spec, "updateStrategy")
    fill(strategy, {"type": "RollingUpdate"})
    if strategy["type"] == "RollingUpdate":
        fill(child(strategy, "rollingUpdate"), {"maxUnavailable": 1, "maxSurge": 0})
    template(child(spec, "template"))
    counts = ("currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady")
    fill(child(o, "status"), dict.fromkeys(counts, 0))


def job(o: Object) -> None:
    """Defaults of a Job; without labels of its own it has its template's."""
    spec = child(o, "spec")
    job_spec(spec)
    labels = get(spec, "template", "metadata", "labels")
    if labels and not get(o, "metadata", "labels"):
        child(o, "metadata")["labels"] = dict(labels)
    child(o, "status")


def job_spec(spec: dict[str, Any]) -> None:
    """Defaults of a Job's spec; completions follow parallelism only when both are absent."""
    if spec.get("completions") is None and spec.get("parallelism") is None:
        spec["completions"] = 1
    policy = "Failed" if spec.get("podFailurePolicy") else "TerminatingOrFailed"
    fill(
        spec,
        {
            "parallelism": 1,
            "completionMode": "NonIndexed",
            "suspend": False,
            "manualSelector": False,
            "podReplacementPolicy": policy,
        },
    )
    for rule in get(spec, "podFailurePolicy", "rules", default=()):
        for condition in rule.get("onPodConditions") or ():
            fill(condition, {"status": "True"})
    if spec.get("backoffLimitPerIndex") is not None:
        fill(spec, {"backoffLimit": 2**31 - 1})
    fill(spec, {"backoffLimit": 6})
    template(child(spec, "template"))


def cron_job(o: Object) -> None:
    """Defaults of a CronJob; its Job's defaults come when the Job is made."""
    fill(
        child(o, "spec"),
        {
            "concurrencyPolicy": "Allow",
            "suspend": False,
            "successfulJobsHistoryLimit": 3,
            "failedJobsHistoryLimit": 1,
        },
    )
    if template_spec := get(o, "spec", "jobTemplate", "spec"):
        child(o["spec"]["jobTemplate"], "metadata")
        template(child(template_spec, "template"))
    child(o, "status")


def horizontal_pod_autoscaler(o: Object) -> None:
    """Defaults of an autoscaler, of either version."""
    spec = child(o, "spec")
    fill(spec, {"minReplicas": 1})
    if o.get("apiVersion") == "autoscaling/v2" and not spec.get("metrics"):
        target = {"type": "Utilization", "averageUtilization": 80}
        spec["metrics"] = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]
    if spec.get("behavior") is not None:
        for direction, rules in SCALING.items():
            fill(child(spec["behavior"], direction), rules)
    child(o, "status")


def service(o: Object) -> None:
    """Defaults of a Service that need no address."""
    spec = child(o, "spec")
    fill(spec, {"type": "ClusterIP"})
    if not spec.get("sessionAffinity"):
        spec["sessionAffinity"] = "None"
    if spec["sessionAffinity"] == "None":
        spec.pop("sessionAffinityConfig", None)
    if spec["sessionAffinity"] == "ClientIP":
        fill(child(child(spec, "sessionAffinityConfig"), "clientIP"), {"timeoutSeconds": 10800})
    for port in spec.get("ports") or ():
        fill(port, {"protocol": "TCP"})
        if port.get("targetPort") in (None, 0, ""):
            port["targetPort"] = port.get("port")
    if spec["type"] in ("ClusterIP", "NodePort", "LoadBalancer"):
        fill(spec, {"internalTrafficPolicy": "Cluster"})
    is_reachable = spec["type"] in ("NodePort", "LoadBalancer") or spec.get("externalIPs")
    if is_reachable and spec["type"] != "ExternalName":
        fill(spec, {"externalTrafficPolicy": "Cluster"})
    if spec["type"] == "LoadBalancer":
        fill(spec, {"allocateLoadBalancerNodePorts": True})
        for each in get(o, "status", "loadBalancer", "ingress", default=()):
            if each.get("ip"):
                fill(each, {"ipMode": "VIP"})
    fill(child(o, "status"), {"loadBalancer": {}})


def endpoints(o: Object) -> None:
    """Defaults of an Endpoints object's ports."""
    for subset in o.get("subsets") or ():
        for port in subset.get("ports") or ():
            fill(port, {"protocol": "TCP"})


def endpoint_slice(o: Object) -> None:
    """Defaults of a slice's ports."""
    fill(o, {"endpoints": []})
    for port in o.get("ports") or ():
        fill(port, {"name": "", "protocol": "TCP"})


def ingress(o: Object) -> None:
    """An Ingress has a status from the start."""
    fill(child(o, "status"), {"loadBalancer": {}})


def network_policy(o: Object) -> None:
    """Defaults of a NetworkPolicy: egress is governed only where egress rules stand."""
    spec = child(o, "spec")
    fill(spec, {"podSelector": {}, "policyTypes": ["Ingress", *(["Egress"] if "egress" in spec else [])]})
    for rule in (*(spec.get("ingress") or ()), *(spec.get("egress") or ())):
        for port in rule.get("ports") or ():
            fill(port, {"protocol": "TCP"})


def persistent_volume_claim(o: Object) -> None:
    """Defaults of a claim."""
    fill(child(o, "spec"), {"volumeMode": "Filesystem"})
    fill(child(o, "status"), {"phase": "Pending"})


def persistent_volume(o: Object) -> None:
    """Defaults of a volume."""
    spec = child(o, "spec")
    fill(spec, {"volumeMode": "Filesystem", "persistentVolumeReclaimPolicy": "Retain"})
    if "hostPath" in spec:
        fill(spec["hostPath"], {"type": ""})
    fill(child(o, "status"), {"phase": "Pending"})


def storage_class(o: Object) -> None:
    """Defaults of a storage class."""
    fill(o, {"reclaimPolicy": "Delete", "volumeBindingMode": "Immediate"})


def node(o: Object) -> None:
    """A Node has a spec and a status from the start, and may promise all it has."""
    child(o, "spec")
    status = child(o, "status")
    if status.get("capacity"):
        fill(status, {"allocatable": status["capacity"]})


def namespace_object(o: Object) -> None:
    """Defaults of a Namespace: its name as a label, and the finalizer that empties it."""
    metadata = child(o, "metadata")
    if metadata.get("name"):
        child(metadata, "labels")["kubernetes.io/metadata.name"] = metadata["name"]
    fill(child(o, "spec"), {"finalizers": ["kubernetes"]})
    fill(child(o, "status"), {"phase": "Active"})


def secret(o: Object) -> None:
    """Defaults of a Secret; `stringData` is only a way to write `data`."""
    fill(o, {"type": "Opaque"})
    if text := o.pop("stringData", None):
        encoded = {key: base64.b64encode(value.encode()).decode() for key, value in text.items()}
        o["data"] = {**(o.get("data") or {}), **encoded}


def limit_range(o: Object) -> None:
    """Defaults within each limit: a maximum is the default limit, which is the default request."""
    for limit in get(o, "spec", "limits", default=[]):
        if limit.get("type") != "Container":
            continue
        for target, source in (("default", "max"), ("defaultRequest", "default"), ("defaultRequest", "min")):
            if limit.get(source):
                fill(child(limit, target), limit[source])


def event(o: Object) -> None:
    """An Event names its reporter, even when nobody."""
    fill(o, {"source": {}, "reportingComponent": "", "reportingInstance": ""})


def role_binding(o: Object) -> None:
    """Defaults of a (cluster) role binding's references."""
    fill(child(o, "roleRef"), {"apiGroup": RBAC_GROUP})
    for subject in o.get("subjects") or ():
        if subject.get("kind") in ("User", "Group"):
            fill(subject, {"apiGroup": RBAC_GROUP})


def certificate_signing_request(o: Object) -> None:
    """A request has a status from the start."""
    child(o, "status")


def pod_disruption_budget(o: Object) -> None:
    """Defaults of a budget's status."""
    counts = ("disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods")
    fill(child(o, "status"), dict.fromkeys(counts, 0))


def priority_class(o: Object) -> None:
    """Defaults of a priority class."""
    fill(o, {"preemptionPolicy": "PreemptLowerPriority"})


def webhook_configuration(o: Object) -> None:
    """Defaults of webhooks; those that change objects also say whether they are asked again."""
    for webhook in o.get("webhooks") or ():
        fill(
            webhook,
            {
                "failurePolicy": "Fail",
                "matchPolicy": "Equivalent",
                "timeoutSeconds": 10,
                "namespaceSelector": {},
                "objectSelector": {},
            },
        )
        if o.get("kind") == "MutatingWebhookConfiguration":
            fill(webhook, {"reinvocationPolicy": "Never"})
        for rule in webhook.get("rules") or ():
            fill(rule, {"scope": "*"})
        if reference := get(webhook, "clientConfig", "service"):
            fill(reference, {"port": 443})


def custom_resource_definition(o: Object) -> None:
    """Defaults of a CRD: names derived from its kind, and no conversion."""
    spec = child(o, "spec")
    names = child(spec, "names")
    if names.get("kind"):
        fill(names, {"singular": names["kind"].lower(), "listKind": f"{names['kind']}List"})
    fill(child(spec, "conversion"), {"strategy": "None"})


Default = Callable[[Object], None]
DEFAULTS: dict[tuple[str, str], Default] = {
    ("", "Pod"): pod,
    ("", "PodTemplate"): lambda o: template(child(o, "template")),
    ("", "ReplicationController"): replication_controller,
    ("", "Service"): service,
    ("", "Endpoints"): endpoints,
    ("", "PersistentVolumeClaim"): persistent_volume_claim,
    ("", "PersistentVolume"): persistent_volume,
    ("", "Node"): node,
    ("", "Namespace"): namespace_object,
    ("", "Secret"): secret,
    ("", "LimitRange"): limit_range,
    ("", "Event"): event,
    ("", "ResourceQuota"): lambda o: fill(o, {"spec": {}, "status": {}}),
    ("apps", "Deployment"): deployment,
    ("apps", "ReplicaSet"): replica_set,
    ("apps", "StatefulSet"): stateful_set,
    ("apps", "DaemonSet"): daemon_set,
    ("batch", "Job"): job,
    ("batch", "CronJob"): cron_job,
    ("autoscaling", "HorizontalPodAutoscaler"): horizontal_pod_autoscaler,
    ("discovery.k8s.io", "EndpointSlice"): endpoint_slice,
    ("networking.k8s.io", "Ingress"): ingress,
    ("networking.k8s.io", "NetworkPolicy"): network_policy,
    ("policy", "PodDisruptionBudget"): pod_disruption_budget,
    ("storage.k8s.io", "StorageClass"): storage_class,
    ("scheduling.k8s.io", "PriorityClass"): priority_class,
    ("certificates.k8s.io", "CertificateSigningRequest"): certificate_signing_request,
    ("storage.k8s.io", "CSIDriver"): other_defaults.csi_driver,
    ("storage.k8s.io", "VolumeAttachment"): other_defaults.volume_attachment,
    ("networking.k8s.io", "IngressClass"): other_defaults.ingress_class,
    ("flowcontrol.apiserver.k8s.io", "FlowSchema"): other_defaults.flow_schema,
    ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration"): other_defaults.priority_level,
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy"): other_defaults.admission_policy,
    (
        "admissionregistration.k8s.io",
        "ValidatingAdmissionPolicyBinding",
    ): other_defaults.admission_policy_binding,
    (RBAC_GROUP, "Role"): lambda o: fill(o, {"rules": []}),
    (RBAC_GROUP, "ClusterRole"): lambda o: fill(o, {"rules": []}),
    (RBAC_GROUP, "RoleBinding"): role_binding,
    (RBAC_GROUP, "ClusterRoleBinding"): role_binding,
    ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"): webhook_configuration,
    ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"): webhook_configuration,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): custom_resource_definition,
    ("apiregistration.k8s.io", "APIService"): other_defaults.api_service,
}
