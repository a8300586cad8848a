"""Core: the table of what is special about which kind. A kind that is not here is as plain as a table row
can be.

After: the storage and strategy of each kind under k8s pkg/registry/
"""

from __future__ import annotations

from apiserver.registry import (
    address_kinds,
    admission_kinds,
    api_service,
    autoscaling,
    certificate_kinds,
    core_kinds,
    core_limits,
    core_nodes,
    core_storage,
    disruption,
    endpoint_kinds,
    event_kinds,
    flow_kinds,
    networking_kinds,
    other_kinds,
    rbac_kinds,
    service,
    storage_kinds,
)
from apiserver.registry.pods import pod
from apiserver.registry.strategy import Strategy
from apiserver.registry.workloads import cron_job, daemon_set, deployment, job, replica_sets, stateful_set
from kube.api.resources import Resource

ORDINARY = Strategy()
COUNTED = Strategy(counts_generation=True)

STRATEGIES: dict[str, Strategy] = {
    "configmaps": core_kinds.CONFIG_MAP,
    "endpoints": endpoint_kinds.ENDPOINTS,
    "events": event_kinds.EVENT,
    "events.events.k8s.io": event_kinds.MODERN_EVENT,
    "limitranges": core_limits.LIMIT_RANGE,
    "namespaces": core_kinds.NAMESPACE,
    "nodes": core_nodes.STRATEGY,
    "persistentvolumeclaims": core_storage.CLAIM,
    "persistentvolumes": core_storage.VOLUME,
    "pods": pod.STRATEGY,
    "podtemplates": replica_sets.POD_TEMPLATE,
    "replicationcontrollers": replica_sets.REPLICATION_CONTROLLER,
    "resourcequotas": core_limits.RESOURCE_QUOTA,
    "secrets": core_kinds.SECRET,
    "serviceaccounts": core_kinds.SERVICE_ACCOUNT,
    "services": service.STRATEGY,
    "daemonsets.apps": daemon_set.STRATEGY,
    "deployments.apps": deployment.STRATEGY,
    "replicasets.apps": replica_sets.REPLICA_SET,
    "statefulsets.apps": stateful_set.STRATEGY,
    "cronjobs.batch": cron_job.STRATEGY,
    "jobs.batch": job.STRATEGY,
    "horizontalpodautoscalers.autoscaling": autoscaling.STRATEGY,
    "ingresses.networking.k8s.io": networking_kinds.INGRESS,
    "ingressclasses.networking.k8s.io": networking_kinds.INGRESS_CLASS,
    "ipaddresses.networking.k8s.io": address_kinds.IP_ADDRESS,
    "servicecidrs.networking.k8s.io": address_kinds.SERVICE_CIDR,
    "networkpolicies.networking.k8s.io": networking_kinds.NETWORK_POLICY,
    "poddisruptionbudgets.policy": disruption.STRATEGY,
    "clusterrolebindings.rbac.authorization.k8s.io": rbac_kinds.BINDING,
    "clusterroles.rbac.authorization.k8s.io": rbac_kinds.ROLE,
    "rolebindings.rbac.authorization.k8s.io": rbac_kinds.BINDING,
    "roles.rbac.authorization.k8s.io": rbac_kinds.ROLE,
    "csidrivers.storage.k8s.io": storage_kinds.CSI_DRIVER,
    "csinodes.storage.k8s.io": storage_kinds.CSI_NODE,
    "csistoragecapacities.storage.k8s.io": storage_kinds.CSI_STORAGE_CAPACITY,
    "storageclasses.storage.k8s.io": storage_kinds.STORAGE_CLASS,
    "volumeattachments.storage.k8s.io": storage_kinds.VOLUME_ATTACHMENT,
    "mutatingwebhookconfigurations.admissionregistration.k8s.io": admission_kinds.WEBHOOKS,
    "validatingadmissionpolicies.admissionregistration.k8s.io": admission_kinds.POLICY,
    "validatingadmissionpolicybindings.admissionregistration.k8s.io": admission_kinds.BINDING,
    "validatingwebhookconfigurations.admissionregistration.k8s.io": admission_kinds.WEBHOOKS,
    "customresourcedefinitions.apiextensions.k8s.io": COUNTED,
    "priorityclasses.scheduling.k8s.io": other_kinds.PRIORITY_CLASS,
    "leases.coordination.k8s.io": other_kinds.LEASE,
    "runtimeclasses.node.k8s.io": other_kinds.RUNTIME_CLASS,
    "endpointslices.discovery.k8s.io": endpoint_kinds.ENDPOINT_SLICE,
    "apiservices.apiregistration.k8s.io": api_service.STRATEGY,
    "flowschemas.flowcontrol.apiserver.k8s.io": flow_kinds.FLOW_SCHEMA,
    "prioritylevelconfigurations.flowcontrol.apiserver.k8s.io": flow_kinds.PRIORITY_LEVEL,
    "controllerrevisions.apps": other_kinds.CONTROLLER_REVISION,
    "certificatesigningrequests.certificates.k8s.io": certificate_kinds.STRATEGY,
}


def strategy_of(resource: Resource) -> Strategy:
    """The strategy of a kind."""
    return STRATEGIES.get(resource.qualified, ORDINARY)
