"""Core: what a node's kubelet may do: what concerns the node itself and the pods on it, and no other's.

    node <- pod <- secret, configmap, claim, service account;   claim <- volume;   node <- volume attachment

Which objects are related to a node is asked of outside (node_relations.py). What the kubelet writes is looked
at more closely by admission (NodeRestriction), which sees the object.

Absent: resource claims and slices.
After: k8s plugin/pkg/auth/authorizer/node/node_authorizer.go
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from apiserver.authentication.user import User
from apiserver.authorization.bootstrap_policy import NODE_RULES
from apiserver.authorization.rbac import covers
from apiserver.request import RequestInfo
from kube.api.errors import StatusError, quote
from kube.api.fields import FieldSelector

GROUP, PREFIX = "system:nodes", "system:node:"
LEASE_NAMESPACE = "kube-node-lease"
READ = ("get", "list", "watch")
OWNED_VERBS = ("get", "create", "update", "patch", "delete")


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether somebody may; reason: why not, or why, for people."""

    allowed: bool
    reason: str = ""


ALLOWED, SILENT = Decision(True), Decision(False)


@dataclass(frozen=True, slots=True)
class Asked:
    """A node's request; related: is there a way from (resource, namespace, name) to the node?"""

    node: str
    info: RequestInfo
    related: Callable[[str, str, str, str], bool]

    def by_relation(self) -> Decision:
        """Allowed if the object concerns the node."""
        info = self.info
        if not info.name:
            return Decision(False, "No Object name found")
        if self.related(self.node, info.plural, info.namespace, info.name):
            return ALLOWED
        return Decision(False, f"no relationship found between node '{self.node}' and this object")

    def selects(self, field: str) -> bool:
        """True when a list or watch is of this node's objects alone."""
        try:
            return FieldSelector.parse(self.info.field_selector).required(field) == self.node
        except StatusError:
            return False


def node_of(user: User) -> str | None:
    """The name of the node whose kubelet this is; None if it is none, empty if nobody knows which."""
    if GROUP not in user.groups:
        return None
    return user.name.removeprefix(PREFIX) if user.name.startswith(PREFIX) else ""


def decide(user: User, asked: Asked) -> Decision:
    """Whether a kubelet may; what is not decided here, other authorizers may still allow."""
    if not asked.node:
        return Decision(False, f"unknown node for user {quote(user.name)}")
    rule = DIVIDED.get((asked.info.group, asked.info.plural))
    if rule is not None:
        return rule(asked)
    return ALLOWED if any(covers(each, asked.info) for each in NODE_RULES) else SILENT


def _readable(asked: Asked) -> Decision:
    info = asked.info
    if info.verb not in READ:
        return Decision(False, "can only read resources of this type")
    if info.subresource:
        return Decision(False, "cannot read subresource")
    if not info.namespace:
        return Decision(False, "can only read namespaced object of this type")
    return asked.by_relation()


def _gettable(asked: Asked) -> Decision:
    if asked.info.verb != "get":
        return Decision(False, "can only get individual resources of this type")
    if asked.info.subresource:
        return Decision(False, "cannot get subresource")
    return asked.by_relation()


def _claim(asked: Asked) -> Decision:
    if asked.info.subresource != "status":
        return _gettable(asked)
    if asked.info.verb not in ("update", "patch"):
        return Decision(False, "can only get/update/patch this type")
    return asked.by_relation()


def _account(asked: Asked) -> Decision:
    info = asked.info
    if info.verb != "create" or not info.name:
        return Decision(False, "can only create tokens for individual service accounts")
    if info.subresource != "token":
        return Decision(False, "can only create token subresource of serviceaccount")
    return asked.by_relation()


def _lease(asked: Asked) -> Decision:
    info = asked.info
    if info.verb not in OWNED_VERBS:
        return Decision(False, "can only get, create, update, patch, or delete a node lease")
    if info.namespace != LEASE_NAMESPACE:
        return Decision(False, f"can only access leases in the {quote(LEASE_NAMESPACE)} system namespace")
    return _of_its_name(asked, "node lease")


def _csi_node(asked: Asked) -> Decision:
    if asked.info.verb not in OWNED_VERBS:
        return Decision(False, "can only get, create, update, patch, or delete a CSINode")
    if asked.info.subresource:
        return Decision(False, "cannot authorize CSINode subresources")
    return _of_its_name(asked, "CSINode")


def _of_its_name(asked: Asked, what: str) -> Decision:
    """The name of what is created only admission knows."""
    if asked.info.verb != "create" and asked.info.name != asked.node:
        return Decision(False, f"can only access {what} with the same name as the requesting node")
    return ALLOWED


def _node(asked: Asked) -> Decision:
    info, own = asked.info, "only its own Node object"
    if info.subresource:
        return ALLOWED if info.subresource == "status" and info.verb in ("update", "patch") else SILENT
    if info.verb in ("create", "update", "patch") or (info.verb in READ and info.name == asked.node):
        return ALLOWED
    if info.verb not in READ:
        return SILENT
    what = f"'{info.name}'" if info.name else "all nodes"
    return Decision(False, f"node '{asked.node}' cannot read {what}, {own}")


POD_WRITES = {"": ("create", "delete"), "status": ("update", "patch"), "eviction": ("create",)}


def _pod(asked: Asked) -> Decision:
    info = asked.info
    if info.verb in POD_WRITES.get(info.subresource, ()):
        return ALLOWED
    if info.subresource or info.verb not in READ:
        return SILENT
    if info.verb != "get" and asked.selects("spec.nodeName"):
        return ALLOWED
    if info.verb != "get" and not info.name:
        return Decision(False, "can only list/watch pods with spec.nodeName field selector")
    return asked.by_relation()


# What is not the same for all nodes.
DIVIDED: dict[tuple[str, str], Callable[[Asked], Decision]] = {
    ("", "secrets"): _readable,
    ("", "configmaps"): _readable,
    ("", "persistentvolumeclaims"): _claim,
    ("", "persistentvolumes"): _gettable,
    ("", "serviceaccounts"): _account,
    ("", "nodes"): _node,
    ("", "pods"): _pod,
    ("storage.k8s.io", "volumeattachments"): _gettable,
    ("storage.k8s.io", "csinodes"): _csi_node,
    ("coordination.k8s.io", "leases"): _lease,
}
