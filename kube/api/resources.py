"""Core: the one table of built-in kinds, and everything that can be read off it.

Each row of data/kubernetes-resources.tsv gives a resource its group, version, plural, kind, scope, short
names, categories, verbs and subresources. Discovery, routing, OpenAPI, storage keys and clients all read
this table; a kind exists because it stands here.

After: what `kubectl api-resources` prints on a real cluster; storage prefixes after k8s
pkg/kubeapiserver/default_storage_factory_builder.go, SpecialDefaultResourcePrefixes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from kube.api.gvk import (
    GroupVersionKind,
    GroupVersionResource,
    format_api_version,
    parse_api_version,
)

VERB_LETTERS = {
    "c": "create",
    "d": "delete",
    "D": "deletecollection",
    "g": "get",
    "l": "list",
    "p": "patch",
    "u": "update",
    "w": "watch",
}
# Kinds that subresources borrow from another group; all others are of their resource's own.
FOREIGN_KINDS = {
    "Scale": ("autoscaling", "v1"),
    "Eviction": ("policy", "v1"),
    "TokenRequest": ("authentication.k8s.io", "v1"),
}
STORAGE_PREFIXES = {
    ("", "replicationcontrollers"): "controllers",
    ("", "endpoints"): "services/endpoints",
    ("", "nodes"): "minions",
    ("", "services"): "services/specs",
    ("networking.k8s.io", "ingresses"): "ingress",
    ("apiextensions.k8s.io", "customresourcedefinitions"): "apiextensions.k8s.io/customresourcedefinitions",
    ("apiregistration.k8s.io", "apiservices"): "apiregistration.k8s.io/apiservices",
}


@dataclass(frozen=True, slots=True)
class Subresource:
    """A part of an object with a URL of its own, such as `status` or `scale`."""

    name: str
    kind: str
    group: str
    version: str
    verbs: tuple[str, ...]

    @property
    def gvk(self) -> GroupVersionKind:
        return GroupVersionKind(self.group, self.version, self.kind)


@dataclass(frozen=True, slots=True)
class Resource:
    """One row: a kind as it is served."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ()
    subresources: tuple[Subresource, ...] = ()

    @property
    def api_version(self) -> str:
        return format_api_version(self.group, self.version)

    @property
    def gvk(self) -> GroupVersionKind:
        return GroupVersionKind(self.group, self.version, self.kind)

    @property
    def gvr(self) -> GroupVersionResource:
        return GroupVersionResource(self.group, self.version, self.plural)

    @property
    def singular(self) -> str:
        return self.kind.lower()

    @property
    def list_kind(self) -> str:
        return f"{self.kind}List"

    @property
    def qualified(self) -> str:
        """`deployments.apps`, or `pods` for the core group: the name in error messages."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def subresource(self, name: str) -> Subresource | None:
        return next((each for each in self.subresources if each.name == name), None)

    def path(
        self, namespace: str | None = None, name: str | None = None, subresource: str | None = None
    ) -> str:
        """The URL path of the collection, the object or the subresource; without a namespace, across all."""
        assert name or not subresource, "a subresource needs a name"
        parts = ["apis", self.group, self.version] if self.group else ["api", self.version]
        if self.namespaced and namespace:
            parts += ["namespaces", namespace]
        parts += [self.plural, *([name] if name else []), *([subresource] if subresource else [])]
        return "/" + "/".join(parts)

    def storage_prefix(self) -> str:
        """Where the store keeps the objects: `/registry/pods`; one place for all versions of a kind."""
        return "/registry/" + STORAGE_PREFIXES.get((self.group, self.plural), self.plural)


def verbs_of(letters: str) -> tuple[str, ...]:
    """The verbs a row's letters stand for, in the row's (alphabetical) order."""
    return tuple(VERB_LETTERS[letter] for letter in letters)


def parse_subresource(text: str, group: str, version: str) -> Subresource:
    """Read `scale:Scale(gpu)`."""
    name, _, rest = text.partition(":")
    kind, _, letters = rest.rstrip(")").partition("(")
    group, version = FOREIGN_KINDS.get(kind, (group, version))
    return Subresource(name, kind, group, version, verbs_of(letters))


def parse_row(line: str) -> Resource:
    """Read one line of the table."""
    api, plural, kind, scope, short, categories, letters, subresources = line.split("\t")
    group, version = parse_api_version(api)
    group = "" if group == "core" else group
    return Resource(
        group,
        version,
        plural,
        kind,
        scope == "N",
        tuple(short.split(",")) if short else (),
        tuple(categories.split(",")) if categories else (),
        verbs_of(letters),
        tuple(parse_subresource(text, group, version) for text in subresources.split()),
    )


def load() -> tuple[Resource, ...]:
    """Read the table, in its order, which is the order of discovery."""
    text = (files("kube.api") / "data" / "kubernetes-resources.tsv").read_text()
    return tuple(parse_row(line) for line in text.splitlines() if line)


RESOURCES = load()


@cache
def _by_gvr() -> dict[GroupVersionResource, Resource]:
    return {each.gvr: each for each in RESOURCES}


@cache
def _by_kind() -> dict[tuple[str, str], Resource]:
    return {(each.api_version, each.kind): each for each in RESOURCES}


@cache
def _by_name() -> dict[str, Resource]:
    """Every word a user may type; where two resources share one, the first in the table has it."""
    names: dict[str, Resource] = {}
    for each in RESOURCES:
        words = (
            each.plural,
            each.singular,
            *each.short_names,
            each.qualified,
            f"{each.singular}.{each.group}",
        )
        for word in (*words, f"{each.plural}.{each.version}.{each.group}"):
            names.setdefault(word, each)
    return names


def by_gvr(gvr: GroupVersionResource) -> Resource | None:
    """The resource at a group, version and plural."""
    return _by_gvr().get(gvr)


def by_kind(api_version: str, kind: str) -> Resource | None:
    """The resource that serves a kind."""
    return _by_kind().get((api_version, kind))


def by_name(text: str) -> Resource | None:
    """The resource a user means by `po`, `pod`, `pods`, `deployments.apps` or `deployments.v1.apps`."""
    return _by_name().get(text.lower())


def _known(group: str, plural: str) -> Resource:
    return next(each for each in RESOURCES if (each.group, each.plural) == (group, plural))


BINDINGS = _known("", "bindings")
CONFIG_MAPS = _known("", "configmaps")
ENDPOINTS = _known("", "endpoints")
EVENTS = _known("", "events")
LIMIT_RANGES = _known("", "limitranges")
NAMESPACES = _known("", "namespaces")
NODES = _known("", "nodes")
PERSISTENT_VOLUME_CLAIMS = _known("", "persistentvolumeclaims")
PERSISTENT_VOLUMES = _known("", "persistentvolumes")
PODS = _known("", "pods")
POD_TEMPLATES = _known("", "podtemplates")
REPLICATION_CONTROLLERS = _known("", "replicationcontrollers")
RESOURCE_QUOTAS = _known("", "resourcequotas")
SECRETS = _known("", "secrets")
SERVICE_ACCOUNTS = _known("", "serviceaccounts")
SERVICES = _known("", "services")
MUTATING_WEBHOOK_CONFIGURATIONS = _known("admissionregistration.k8s.io", "mutatingwebhookconfigurations")
VALIDATING_WEBHOOK_CONFIGURATIONS = _known("admissionregistration.k8s.io", "validatingwebhookconfigurations")
API_SERVICES = _known("apiregistration.k8s.io", "apiservices")
CONTROLLER_REVISIONS = _known("apps", "controllerrevisions")
DAEMON_SETS = _known("apps", "daemonsets")
DEPLOYMENTS = _known("apps", "deployments")
REPLICA_SETS = _known("apps", "replicasets")
STATEFUL_SETS = _known("apps", "statefulsets")
TOKEN_REVIEWS = _known("authentication.k8s.io", "tokenreviews")
SELF_SUBJECT_REVIEWS = _known("authentication.k8s.io", "selfsubjectreviews")
SUBJECT_ACCESS_REVIEWS = _known("authorization.k8s.io", "subjectaccessreviews")
SELF_SUBJECT_ACCESS_REVIEWS = _known("authorization.k8s.io", "selfsubjectaccessreviews")
HORIZONTAL_POD_AUTOSCALERS = _known("autoscaling", "horizontalpodautoscalers")
CRON_JOBS = _known("batch", "cronjobs")
JOBS = _known("batch", "jobs")
CERTIFICATE_SIGNING_REQUESTS = _known("certificates.k8s.io", "certificatesigningrequests")
INGRESS_CLASSES = _known("networking.k8s.io", "ingressclasses")
INGRESSES = _known("networking.k8s.io", "ingresses")
IP_ADDRESSES = _known("networking.k8s.io", "ipaddresses")
NETWORK_POLICIES = _known("networking.k8s.io", "networkpolicies")
SERVICE_CIDRS = _known("networking.k8s.io", "servicecidrs")
POD_DISRUPTION_BUDGETS = _known("policy", "poddisruptionbudgets")
CLUSTER_ROLE_BINDINGS = _known("rbac.authorization.k8s.io", "clusterrolebindings")
CLUSTER_ROLES = _known("rbac.authorization.k8s.io", "clusterroles")
ROLE_BINDINGS = _known("rbac.authorization.k8s.io", "rolebindings")
ROLES = _known("rbac.authorization.k8s.io", "roles")
STORAGE_CLASSES = _known("storage.k8s.io", "storageclasses")
VOLUME_ATTACHMENTS = _known("storage.k8s.io", "volumeattachments")
CUSTOM_RESOURCE_DEFINITIONS = _known("apiextensions.k8s.io", "customresourcedefinitions")
PRIORITY_CLASSES = _known("scheduling.k8s.io", "priorityclasses")
LEASES = _known("coordination.k8s.io", "leases")
FLOW_SCHEMAS = _known("flowcontrol.apiserver.k8s.io", "flowschemas")
PRIORITY_LEVEL_CONFIGURATIONS = _known("flowcontrol.apiserver.k8s.io", "prioritylevelconfigurations")
RUNTIME_CLASSES = _known("node.k8s.io", "runtimeclasses")
ENDPOINT_SLICES = _known("discovery.k8s.io", "endpointslices")
VALIDATING_ADMISSION_POLICIES = _known("admissionregistration.k8s.io", "validatingadmissionpolicies")
VALIDATING_ADMISSION_POLICY_BINDINGS = _known(
    "admissionregistration.k8s.io", "validatingadmissionpolicybindings"
)
