"""Core: which printer lays out which kind.

A printer is a module with COLUMNS and `row(object, now)`; a kind that is not in PRINTERS shows its name and
when it was created.
"""

from __future__ import annotations

from datetime import datetime

from apiserver.printers import (
    admission_policy,
    admission_policy_binding,
    api_service,
    certificate_signing_request,
    config_map,
    controller_revision,
    created_at,
    cron_job,
    csi_driver,
    csi_node,
    csi_storage_capacity,
    daemon_set,
    deployment,
    endpoint_slice,
    endpoints,
    event,
    flow_schema,
    horizontal_pod_autoscaler,
    ingress,
    ingress_class,
    ip_address,
    job,
    lease,
    namespace,
    network_policy,
    node,
    persistent_volume,
    persistent_volume_claim,
    pod,
    pod_disruption_budget,
    pod_template,
    priority_class,
    priority_level_configuration,
    replica_set,
    resource_quota,
    role_binding,
    runtime_class,
    scale,
    secret,
    service,
    service_account,
    service_cidr,
    stateful_set,
    storage_class,
    volume_attachment,
    webhook_configuration,
)
from kube.api.gvk import GroupVersionKind
from kube.api.resources import Resource
from kube.api.table import V1, Printer, Table

PRINTERS: dict[tuple[str, str], Printer] = {
    ("", "Pod"): Printer(pod.COLUMNS, pod.row, pod.row_conditions),
    ("", "ReplicationController"): Printer(replica_set.COLUMNS, replica_set.row),
    ("", "Service"): Printer(service.COLUMNS, service.row),
    ("", "Endpoints"): Printer(endpoints.COLUMNS, endpoints.row),
    ("", "Node"): Printer(node.COLUMNS, node.row),
    ("", "Namespace"): Printer(namespace.COLUMNS, namespace.row),
    ("", "ConfigMap"): Printer(config_map.COLUMNS, config_map.row),
    ("", "Secret"): Printer(secret.COLUMNS, secret.row),
    ("", "ServiceAccount"): Printer(service_account.COLUMNS, service_account.row),
    ("", "Event"): Printer(event.COLUMNS, event.row),
    ("", "PersistentVolume"): Printer(persistent_volume.COLUMNS, persistent_volume.row),
    ("", "PersistentVolumeClaim"): Printer(persistent_volume_claim.COLUMNS, persistent_volume_claim.row),
    ("", "ResourceQuota"): Printer(resource_quota.COLUMNS, resource_quota.row),
    ("", "PodTemplate"): Printer(pod_template.COLUMNS, pod_template.row),
    ("apps", "Deployment"): Printer(deployment.COLUMNS, deployment.row),
    ("apps", "ReplicaSet"): Printer(replica_set.COLUMNS, replica_set.row),
    ("apps", "StatefulSet"): Printer(stateful_set.COLUMNS, stateful_set.row),
    ("apps", "DaemonSet"): Printer(daemon_set.COLUMNS, daemon_set.row),
    ("apps", "ControllerRevision"): Printer(controller_revision.COLUMNS, controller_revision.row),
    ("batch", "Job"): Printer(job.COLUMNS, job.row),
    ("batch", "CronJob"): Printer(cron_job.COLUMNS, cron_job.row),
    ("autoscaling", "HorizontalPodAutoscaler"): Printer(
        horizontal_pod_autoscaler.COLUMNS, horizontal_pod_autoscaler.row
    ),
    ("autoscaling", "Scale"): Printer(scale.COLUMNS, scale.row),
    ("events.k8s.io", "Event"): Printer(event.COLUMNS, event.row),
    ("coordination.k8s.io", "Lease"): Printer(lease.COLUMNS, lease.row),
    ("discovery.k8s.io", "EndpointSlice"): Printer(endpoint_slice.COLUMNS, endpoint_slice.row),
    ("networking.k8s.io", "Ingress"): Printer(ingress.COLUMNS, ingress.row),
    ("networking.k8s.io", "NetworkPolicy"): Printer(network_policy.COLUMNS, network_policy.row),
    ("networking.k8s.io", "IPAddress"): Printer(ip_address.COLUMNS, ip_address.row),
    ("networking.k8s.io", "ServiceCIDR"): Printer(service_cidr.COLUMNS, service_cidr.row),
    ("apiregistration.k8s.io", "APIService"): Printer(api_service.COLUMNS, api_service.row),
    ("flowcontrol.apiserver.k8s.io", "FlowSchema"): Printer(flow_schema.COLUMNS, flow_schema.row),
    ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration"): Printer(
        priority_level_configuration.COLUMNS, priority_level_configuration.row
    ),
    ("policy", "PodDisruptionBudget"): Printer(pod_disruption_budget.COLUMNS, pod_disruption_budget.row),
    ("rbac.authorization.k8s.io", "RoleBinding"): Printer(role_binding.COLUMNS, role_binding.row),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): Printer(role_binding.COLUMNS, role_binding.row),
    ("storage.k8s.io", "StorageClass"): Printer(storage_class.COLUMNS, storage_class.row),
    ("scheduling.k8s.io", "PriorityClass"): Printer(priority_class.COLUMNS, priority_class.row),
    ("node.k8s.io", "RuntimeClass"): Printer(runtime_class.COLUMNS, runtime_class.row),
    ("certificates.k8s.io", "CertificateSigningRequest"): Printer(
        certificate_signing_request.COLUMNS, certificate_signing_request.row
    ),
    ("networking.k8s.io", "IngressClass"): Printer(ingress_class.COLUMNS, ingress_class.row),
    ("storage.k8s.io", "VolumeAttachment"): Printer(volume_attachment.COLUMNS, volume_attachment.row),
    ("storage.k8s.io", "CSINode"): Printer(csi_node.COLUMNS, csi_node.row),
    ("storage.k8s.io", "CSIDriver"): Printer(csi_driver.COLUMNS, csi_driver.row),
    ("storage.k8s.io", "CSIStorageCapacity"): Printer(csi_storage_capacity.COLUMNS, csi_storage_capacity.row),
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy"): Printer(
        admission_policy.COLUMNS, admission_policy.row
    ),
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding"): Printer(
        admission_policy_binding.COLUMNS, admission_policy_binding.row
    ),
    ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"): Printer(
        webhook_configuration.COLUMNS, webhook_configuration.row
    ),
    ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"): Printer(
        webhook_configuration.COLUMNS, webhook_configuration.row
    ),
}
DEFAULT = Printer(created_at.COLUMNS, created_at.row)


def table(
    kind: Resource | GroupVersionKind,
    now: datetime,
    include_object: str = "",
    api_version: str = V1,
    with_columns: bool = True,
) -> Table:
    """How objects of this kind are laid out."""
    printer = PRINTERS.get((kind.group, kind.kind), DEFAULT)
    return Table(printer, now, include_object, api_version, with_columns)
