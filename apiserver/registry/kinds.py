"""Core: the table of what is special about which kind. A kind that is not here is as plain as a table row
can be.

After: the storage and strategy of each kind under k8s pkg/registry/
"""

from __future__ import annotations

from apiserver.registry import (
    address_kinds,
    api_service,
    autoscaling,
    batch,
    core_kinds,
    disruption,
    names,
    other_kinds,
    pod,
    rbac_kinds,
    service,
    workloads,
)
from apiserver.registry.strategy import Strategy
from kube.api.resources import Resource

ORDINARY = Strategy()
UPSERT = Strategy(creates_on_update=True)
COUNTED = Strategy(counts_generation=True)
GUARDED = Strategy(needs_version=True)
RETURNED = Strategy(returns_deleted=True)

STRATEGIES: dict[str, Strategy] = {
    "configmaps": core_kinds.CONFIG_MAP,
    "endpoints": UPSERT,
    "events": UPSERT,
    "events.events.k8s.io": UPSERT,
    "limitranges": UPSERT,
    "namespaces": core_kinds.NAMESPACE,
    "persistentvolumeclaims": core_kinds.CLAIM,
    "persistentvolumes": core_kinds.VOLUME,
    "pods": pod.STRATEGY,
    "podtemplates": workloads.POD_TEMPLATE,
    "replicationcontrollers": workloads.REPLICATION_CONTROLLER,
    "resourcequotas": RETURNED,
    "secrets": core_kinds.SECRET,
    "serviceaccounts": RETURNED,
    "services": service.STRATEGY,
    "daemonsets.apps": workloads.DAEMON_SET,
    "deployments.apps": workloads.DEPLOYMENT,
    "replicasets.apps": workloads.REPLICA_SET,
    "statefulsets.apps": workloads.STATEFUL_SET,
    "cronjobs.batch": batch.CRON_JOB,
    "jobs.batch": batch.JOB,
    "horizontalpodautoscalers.autoscaling": autoscaling.STRATEGY,
    "ingresses.networking.k8s.io": COUNTED,
    "ingressclasses.networking.k8s.io": COUNTED,
    "ipaddresses.networking.k8s.io": address_kinds.IP_ADDRESS,
    "servicecidrs.networking.k8s.io": address_kinds.SERVICE_CIDR,
    "networkpolicies.networking.k8s.io": COUNTED,
    "poddisruptionbudgets.policy": disruption.STRATEGY,
    "clusterrolebindings.rbac.authorization.k8s.io": rbac_kinds.BINDING,
    "clusterroles.rbac.authorization.k8s.io": rbac_kinds.ROLE,
    "rolebindings.rbac.authorization.k8s.io": rbac_kinds.BINDING,
    "roles.rbac.authorization.k8s.io": rbac_kinds.ROLE,
    "csidrivers.storage.k8s.io": Strategy(counts_generation=True, needs_version=True, returns_deleted=True),
    "csinodes.storage.k8s.io": Strategy(needs_version=True, returns_deleted=True),
    "csistoragecapacities.storage.k8s.io": GUARDED,
    "storageclasses.storage.k8s.io": Strategy(
        returns_deleted=True, validate_update=other_kinds.storage_class_changes
    ),
    "volumeattachments.storage.k8s.io": Strategy(needs_version=True, returns_deleted=True),
    "mutatingwebhookconfigurations.admissionregistration.k8s.io": Strategy(
        counts_generation=True, needs_version=True
    ),
    "validatingadmissionpolicies.admissionregistration.k8s.io": Strategy(
        counts_generation=True, needs_version=True
    ),
    "validatingadmissionpolicybindings.admissionregistration.k8s.io": Strategy(
        counts_generation=True, needs_version=True
    ),
    "validatingwebhookconfigurations.admissionregistration.k8s.io": Strategy(
        counts_generation=True, needs_version=True
    ),
    "customresourcedefinitions.apiextensions.k8s.io": COUNTED,
    "priorityclasses.scheduling.k8s.io": Strategy(
        counts_generation=True,
        validate=other_kinds.validate_priority_class,
        validate_update=other_kinds.priority_class_changes,
    ),
    "leases.coordination.k8s.io": Strategy(
        creates_on_update=True, needs_version=True, validate=other_kinds.validate_lease
    ),
    "runtimeclasses.node.k8s.io": Strategy(creates_on_update=True, needs_version=True),
    "endpointslices.discovery.k8s.io": COUNTED,
    "apiservices.apiregistration.k8s.io": api_service.STRATEGY,
    "flowschemas.flowcontrol.apiserver.k8s.io": COUNTED,
    "prioritylevelconfigurations.flowcontrol.apiserver.k8s.io": COUNTED,
    "controllerrevisions.apps": Strategy(validate_update=other_kinds.revision_changes),
    "certificatesigningrequests.certificates.k8s.io": Strategy(
        name_errors=names.dns_subdomain, validate_update=other_kinds.request_changes
    ),
}


def strategy_of(resource: Resource) -> Strategy:
    """The strategy of a kind."""
    return STRATEGIES.get(resource.qualified, ORDINARY)
