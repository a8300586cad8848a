"""Shell: which plug-ins there are, and in which order they see a write.

The order is Kubernetes': a default that one sets, a later one judges; webhooks see what all of ours have made
of an object; quota comes last, for what is refused must not be counted.

After: k8s pkg/kubeapiserver/options/plugins.go, AllOrderedPlugins
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from apiserver.admission.certificate_request import CertificateRequestUser
from apiserver.admission.certificate_signers import CertificateApproval, CertificateSigning
from apiserver.admission.certificate_subject import CertificateSubjectRestriction
from apiserver.admission.chain import Chain, Mutating, Validating
from apiserver.admission.claim_resize import PersistentVolumeClaimResize
from apiserver.admission.configuration import AdmissionConfiguration
from apiserver.admission.default_ingress_class import DefaultIngressClass
from apiserver.admission.default_toleration_seconds import DefaultTolerationSeconds
from apiserver.admission.expression_check import ExpressionCheck
from apiserver.admission.limit_ranger import LimitRanger
from apiserver.admission.namespace_lifecycle import NamespaceLifecycle
from apiserver.admission.node_restriction import NodeRestriction
from apiserver.admission.node_taint import TaintNodesByCondition
from apiserver.admission.param_access import ParamAccess
from apiserver.admission.pod_resize import PodResizeValidator
from apiserver.admission.pod_security import PodSecurity
from apiserver.admission.pod_topology_labels import PodTopologyLabels
from apiserver.admission.priority import Priority
from apiserver.admission.resource_quota import ResourceQuota
from apiserver.admission.role_escalation import RoleEscalation
from apiserver.admission.runtime_class import RuntimeClass
from apiserver.admission.service_account import ServiceAccount
from apiserver.admission.storage import DefaultStorageClass, StorageObjectInUseProtection
from apiserver.admission.validating_admission_policy import ValidatingAdmissionPolicy
from apiserver.admission.webhooks.asking import Asking
from apiserver.admission.webhooks.configurations import Configurations
from apiserver.admission.webhooks.mutating import MutatingWebhooks
from apiserver.admission.webhooks.validating import ValidatingWebhooks
from apiserver.allocation.service_addresses import ServiceAddresses
from apiserver.authorization.authorizer import Authorizer
from apiserver.cel.evaluator import Evaluator
from apiserver.pod_security import configuration as pod_security
from apiserver.storage.interface import Storage
from apiserver.storage.watch_cache import WatchCache
from kube.api.resources import MUTATING_WEBHOOK_CONFIGURATIONS, VALIDATING_WEBHOOK_CONFIGURATIONS
from kube.base.clock import Clock


@dataclass(frozen=True, slots=True)
class Means:
    """What the plug-ins work with."""

    cache: WatchCache
    storage: Storage
    authorizer: Authorizer
    evaluator: Evaluator
    asking: Asking
    addresses: ServiceAddresses
    tolerations: DefaultTolerationSeconds
    pod_security: pod_security.Configuration
    clock: Clock
    chance: Random


def told(file: str) -> pod_security.Configuration:
    """What a file of --admission-control-config-file tells the only one that can be told; StartupError."""
    configuration = AdmissionConfiguration.load(file, (PodSecurity.NAME,))
    return configuration.of(PodSecurity.NAME, pod_security.read, pod_security.Configuration())


def chain(means: Means) -> Chain:
    """All of them."""
    cache = means.cache
    # These change an object, and judge it afterwards.
    limit_ranger, runtime_class = LimitRanger(cache), RuntimeClass(cache)
    mutating: list[Mutating] = [
        NamespaceLifecycle(cache),
        limit_ranger,
        ServiceAccount(cache, means.chance),
        NodeRestriction(cache),
        TaintNodesByCondition(),
        Priority(cache),
        means.tolerations,
        DefaultStorageClass(cache),
        StorageObjectInUseProtection(),
        runtime_class,
        DefaultIngressClass(cache),
        PodTopologyLabels(cache),
        MutatingWebhooks(Configurations(cache, MUTATING_WEBHOOK_CONFIGURATIONS), means.asking),
    ]
    allotting: list[Mutating] = [CertificateRequestUser(), means.addresses]
    validating: list[Validating] = [
        limit_ranger,
        PodSecurity(cache, means.pod_security),
        PersistentVolumeClaimResize(cache),
        runtime_class,
        CertificateApproval(means.authorizer),
        CertificateSigning(means.authorizer),
        CertificateSubjectRestriction(),
        PodResizeValidator(cache),
        RoleEscalation(cache, means.authorizer),
        ExpressionCheck(means.evaluator),
        ParamAccess(cache, means.authorizer),
        ValidatingAdmissionPolicy(cache, means.authorizer, means.evaluator),
        ValidatingWebhooks(Configurations(cache, VALIDATING_WEBHOOK_CONFIGURATIONS), means.asking),
        ResourceQuota(cache, means.storage, means.clock),
    ]
    return Chain(mutating, validating, allotting)
