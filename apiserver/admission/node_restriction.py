"""Shell: a kubelet writes its own Node and Lease and the status of its own pods, and nothing of others.

The Node authorizer lets it write Nodes and pods at all; which ones is seen here, where the object is.

Absent: resource claims and slices.
After: k8s plugin/pkg/admission/noderestriction/admission.go,
staging/src/k8s.io/kubelet/pkg/apis/well_known_labels.go
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from apiserver.admission.chain import CREATE, DELETE, UPDATE, Attributes
from apiserver.authorization.node import LEASE_NAMESPACE, node_of
from apiserver.authorization.node_relations import MIRROR
from apiserver.storage.watch_cache import WatchCache
from kube.api import errors, meta, pod_references
from kube.api.errors import StatusError, quote
from kube.api.meta import Object
from kube.api.resources import NODES, PODS, Resource

# Labels under kubernetes.io and k8s.io that a kubelet may give its node, and the domains of others.
KUBELET_LABELS = (
    "kubernetes.io/hostname",
    "kubernetes.io/os",
    "kubernetes.io/arch",
    "topology.kubernetes.io/zone",
    "topology.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region",
    "beta.kubernetes.io/instance-type",
    "node.kubernetes.io/instance-type",
    "beta.kubernetes.io/os",
    "beta.kubernetes.io/arch",
)
KUBELET_DOMAINS = ("kubelet.kubernetes.io", "node.kubernetes.io")
RESERVED_DOMAINS = ("kubernetes.io", "k8s.io")
RESTRICTED = "node-restriction.kubernetes.io"
CLAIM_STATUS = ("capacity", "conditions", "allocatedResources", "allocatedResourceStatuses")
OWNED = {("coordination.k8s.io", "leases"): "node lease", ("storage.k8s.io", "csinodes"): "CSINode"}


class NodeRestriction:
    """Asks only those who are nodes."""

    def __init__(self, cache: WatchCache) -> None:
        self._cache = cache
        self._rules: dict[str, Callable[[str, Attributes, Object, Object], Awaitable[None]]] = {
            "pods": self._pod,
            "nodes": self._node,
            "serviceaccounts": self._account,
            "persistentvolumeclaims": self._claim,
        }

    async def admit(self, attributes: Attributes, o: Object, old: Object | None) -> None:
        node = node_of(attributes.user)
        if node is None:
            return
        if not node:
            raise _refused(attributes, f"could not determine node from user {quote(attributes.user.name)}")
        resource = attributes.resource
        if what := OWNED.get((resource.group, resource.plural)):
            _check_owned(node, attributes, what)
        elif not resource.group and resource.plural in self._rules:
            await self._rules[resource.plural](node, attributes, o, old or {})

    async def _pod(self, node: str, attributes: Attributes, o: Object, old: Object) -> None:
        operation, door = attributes.operation, attributes.subresource
        if door == "status":
            _check_pod_status(node, attributes, o, old)
        elif door == "eviction":
            pod = await self._found(PODS, attributes.namespace, attributes.name)
            if meta.get(pod, "spec", "nodeName") != node:
                why = f"node {node} can only evict pods with spec.nodeName set to itself"
                raise _refused(attributes, why)
        elif door:
            why = f"unexpected pod subresource {quote(door)}, only 'status' and 'eviction' are allowed"
            raise _refused(attributes, why)
        elif operation == CREATE:
            await self._mirror(node, attributes, o)
        elif operation != DELETE:
            why = f"unexpected operation {quote(operation)}, node {quote(node)} can only create and delete "
            raise _refused(attributes, f"{why}mirror pods")
        elif meta.get(o, "spec", "nodeName") != node:
            why = f"node {quote(node)} can only delete pods with spec.nodeName set to itself"
            raise _refused(attributes, why)

    async def _mirror(self, node: str, attributes: Attributes, pod: Object) -> None:
        """A node makes pods only to show what it runs by itself."""
        quoted = quote(node)
        if MIRROR not in meta.annotations(pod):
            why = f"pod does not have {quote(MIRROR)} annotation, node {quoted} can only create mirror pods"
            raise _refused(attributes, why)
        if meta.get(pod, "spec", "nodeName") != node:
            why = f"node {quoted} can only create pods with spec.nodeName set to itself"
            raise _refused(attributes, why)
        if why := await self._owner_fault(node, pod):
            raise _refused(attributes, why)
        if meta.get(pod, "spec", "serviceAccountName"):
            raise _refused(attributes, f"node {quoted} can not create pods that reference a service account")
        for what, names in (
            ("secrets", pod_references.secret_names(pod)),
            ("configmaps", pod_references.config_map_names(pod)),
            ("persistentvolumeclaims", pod_references.claim_names(pod)),
        ):
            if names:
                raise _refused(attributes, f"node {quoted} can not create pods that reference {what}")

    async def _owner_fault(self, node: str, pod: Object) -> str:
        owners, begin = meta.owner_references(pod), f"node {quote(node)} can only create pods with "
        if len(owners) > 1:
            return begin + "a single owner reference set to itself"
        owner = owners[0] if owners else {}
        if (owner.get("apiVersion"), owner.get("kind"), owner.get("name")) != ("v1", "Node", node):
            return begin + "an owner reference set to itself"
        if not owner.get("controller"):
            return begin + "a controller owner reference set to itself"
        if owner.get("blockOwnerDeletion"):
            return f"node {quote(node)} must not set blockOwnerDeletion on an owner reference"
        uid = meta.uid(await self._found(NODES, "", node))
        if owner.get("uid") != uid:
            return f"node {node} UID mismatch: expected {owner.get('uid', '')} got {uid}"
        return ""

    async def _node(self, node: str, attributes: Attributes, o: Object, old: Object) -> None:
        if attributes.name != node:
            why = f"node {quote(node)} is not allowed to modify node {quote(attributes.name)}"
            raise _refused(attributes, why)
        if attributes.operation not in (CREATE, UPDATE):
            return
        if attributes.operation == UPDATE and _taints(o) != _taints(old):
            raise _refused(attributes, f"node {quote(node)} is not allowed to modify taints")
        if forbidden := sorted(_forbidden_labels(meta.labels(o), meta.labels(old))):
            begin = "is not allowed to modify labels"
            if attributes.operation == CREATE:
                begin = f"node {quote(node)} is not allowed to set the following labels"
            raise _refused(attributes, f"{begin}: {', '.join(forbidden)}")

    async def _account(self, node: str, attributes: Attributes, o: Object, old: Object) -> None:
        """Tokens are for the node's pods alone."""
        if attributes.operation != CREATE or attributes.subresource != "token":
            return
        bound = meta.get(o, "spec", "boundObjectRef", default={})
        name, uid = bound.get("name"), bound.get("uid")
        if (bound.get("apiVersion"), bound.get("kind")) != ("v1", "Pod") or not name:
            raise _refused(attributes, "node requested token not bound to a pod")
        if not uid:
            raise _refused(attributes, "node requested token with a pod binding without a uid")
        pod = await self._found(PODS, attributes.namespace, name)
        if meta.uid(pod) != uid:
            why = f"the UID in the bound object reference ({uid}) does not match the UID in record. "
            raise _refused(attributes, f"{why}The object might have been deleted and then recreated")
        if meta.get(pod, "spec", "nodeName") != node:
            raise _refused(attributes, "node requested token bound to a pod scheduled on a different node")

    async def _claim(self, node: str, attributes: Attributes, o: Object, old: Object) -> None:
        if attributes.subresource != "status":
            raise _refused(attributes, "may only update PVC status")
        if _without_status(o) != _without_status(old):
            why = f"node {quote(node)} is not allowed to update fields other than status.capacity and "
            raise _refused(attributes, f"{why}status.conditions")

    async def _found(self, resource: Resource, namespace: str, name: str) -> Object:
        """An object; the cache is asked again before it is said not to be there."""
        entry = await self._cache.find(resource, namespace, name)
        if entry is None:
            raise errors.not_found(resource, name)
        return entry.decode()


def _refused(attributes: Attributes, why: str) -> StatusError:
    return errors.forbidden(attributes.resource, attributes.name, why)


def _check_owned(node: str, attributes: Attributes, what: str) -> None:
    if what == OWNED["coordination.k8s.io", "leases"] and attributes.namespace != LEASE_NAMESPACE:
        why = f"can only access leases in the {quote(LEASE_NAMESPACE)} system namespace"
        raise _refused(attributes, why)
    if attributes.name != node:
        raise _refused(attributes, f"can only access {what} with the same name as the requesting node")


def _check_pod_status(node: str, attributes: Attributes, o: Object, old: Object) -> None:
    if attributes.operation != UPDATE:
        raise _refused(attributes, f"unexpected operation {quote(attributes.operation)}")
    if meta.get(old, "spec", "nodeName") != node:
        why = f"node {quote(node)} can only update pod status for pods with spec.nodeName set to itself"
        raise _refused(attributes, why)
    if meta.labels(o) != meta.labels(old):
        raise _refused(attributes, f"node {quote(node)} cannot update labels through pod status")


def _taints(node: Object) -> list[Object]:
    taints: list[Object] = meta.get(node, "spec", "taints", default=[])
    return taints


def _forbidden_labels(now: dict[str, str], before: dict[str, str]) -> Iterable[str]:
    """Changed labels by which a node could draw pods to itself."""
    for key in {*now, *before}:
        if now.get(key) == before.get(key):
            continue
        domain = key.partition("/")[0] if "/" in key else ""
        is_known = key in KUBELET_LABELS or _within(domain, KUBELET_DOMAINS)
        if _within(domain, (RESTRICTED,)) or (_within(domain, RESERVED_DOMAINS) and not is_known):
            yield key


def _within(domain: str, domains: Iterable[str]) -> bool:
    return any(domain == each or domain.endswith(f".{each}") for each in domains)


def _without_status(claim: Object) -> Object:
    """What of a claim a node may not change."""
    ignored = ("resourceVersion", "managedFields")
    metadata = {key: value for key, value in claim["metadata"].items() if key not in ignored}
    status = {key: value for key, value in (claim.get("status") or {}).items() if key not in CLAIM_STATUS}
    return {**claim, "metadata": metadata, "status": status}
