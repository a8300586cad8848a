"""Core: on which nodes the pods of a DaemonSet belong, and the pod for one of them.

A pod is bound to its node by node affinity, so that the scheduler still has a say: it may have to make room
first. Against the troubles of a node that would drive others away the pods are given tolerations: a daemon is
there to help a node in trouble.

After: k8s pkg/controller/daemon/daemon_controller.go, NodeShouldRunDaemonPod;
pkg/controller/daemon/util/daemonset_util.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from kube.api import meta
from kube.api.meta import Object
from kube.api.node_selection import allows_node
from kube.api.resources import DAEMON_SETS
from kube.api.tolerations import tolerates

HASH = "controller-revision-hash"
GENERATION = "pod-template-generation"
GENERATION_OF_SET = "deprecated.daemonset.template.generation"
NODE_NAME = "metadata.name"
NO_EXECUTE, NO_SCHEDULE = "NoExecute", "NoSchedule"
BORNE = (
    ("node.kubernetes.io/not-ready", NO_EXECUTE),
    ("node.kubernetes.io/unreachable", NO_EXECUTE),
    ("node.kubernetes.io/disk-pressure", NO_SCHEDULE),
    ("node.kubernetes.io/memory-pressure", NO_SCHEDULE),
    ("node.kubernetes.io/pid-pressure", NO_SCHEDULE),
    ("node.kubernetes.io/unschedulable", NO_SCHEDULE),
)
BORNE_ON_HOST_NETWORK = (("node.kubernetes.io/network-unavailable", NO_SCHEDULE),)


@dataclass(frozen=True, slots=True)
class Suits:
    """Whether a pod should be started on a node, and whether one that is there may stay."""

    run: bool
    stay: bool


def suits(daemon_set: Object, node: Object) -> Suits:
    """What the node is to the DaemonSet: selected by its template, and with which taints."""
    spec = _pod_spec(daemon_set)
    if spec.get("nodeName") not in (None, "", meta.name(node)) or not allows_node(spec, node):
        return Suits(run=False, stay=False)
    taints = meta.get(node, "spec", "taints", default=[])
    if not taints:
        return Suits(run=True, stay=True)
    borne = tolerations(spec)
    return Suits(
        run=not _suffers(borne, taints, (NO_SCHEDULE, NO_EXECUTE)),
        stay=not _suffers(borne, taints, (NO_EXECUTE,)),
    )


def tolerations(pod_spec: Object) -> list[Object]:
    """The template's own tolerations and those that all daemons have, each once."""
    result: list[Object] = [*(pod_spec.get("tolerations") or ())]
    borne = BORNE + (BORNE_ON_HOST_NETWORK if pod_spec.get("hostNetwork") else ())
    for key, effect in borne:
        wanted = {"key": key, "operator": "Exists", "effect": effect}
        same = [i for i, each in enumerate(result) if _is_same(each, wanted)]
        if same:
            result[same[0]] = wanted
        else:
            result.append(wanted)
    return result


def pod_for(daemon_set: Object, node_name: str, revision_hash: str) -> Object:
    """The pod to create for a node, as the template of this revision wants it."""
    given = meta.metadata(meta.get(daemon_set, "spec", "template", default={}))
    labels = {**(given.get("labels") or {})}
    generation = meta.annotations(daemon_set).get(GENERATION_OF_SET, "")
    if generation.isdecimal():
        labels[GENERATION] = generation
    if revision_hash:
        labels[HASH] = revision_hash
    metadata: dict[str, Any] = {"labels": labels}
    metadata |= {part: given[part] for part in ("annotations", "finalizers") if given.get(part)}
    metadata |= {
        "generateName": f"{meta.name(daemon_set)}-",
        "namespace": meta.namespace(daemon_set),
        "ownerReferences": [meta.owner_reference(daemon_set, DAEMON_SETS)],
    }
    spec = _pod_spec(daemon_set)
    spec = {**spec, "tolerations": tolerations(spec), "affinity": _on_node(spec.get("affinity"), node_name)}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def target_node(pod: Object) -> str | None:
    """The node that a pod is on or was made for; None for a pod that was made for no certain node."""
    bound = meta.get(pod, "spec", "nodeName", default="")
    if bound:
        return str(bound)
    required = ("affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution")
    terms: Sequence[Object] = meta.get(pod, "spec", *required, "nodeSelectorTerms", default=[])
    for term in terms:
        for field in term.get("matchFields") or ():
            if field.get("key") == NODE_NAME and field.get("operator") == "In":
                values = field.get("values") or []
                return str(values[0]) if len(values) == 1 else None
    return None


def _pod_spec(daemon_set: Object) -> Object:
    spec: Object = meta.get(daemon_set, "spec", "template", "spec", default={})
    return spec


def _on_node(affinity: Object | None, node_name: str) -> Object:
    """The affinity with this node as its only requirement on nodes: that the others are met is known."""
    term = {"matchFields": [{"key": NODE_NAME, "operator": "In", "values": [node_name]}]}
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
    affinity = affinity or {}
    return {**affinity, "nodeAffinity": {**(affinity.get("nodeAffinity") or {}), **required}}


def _is_same(toleration: Object, wanted: Object) -> bool:
    parts = ("key", "effect", "operator", "value")
    return all((toleration.get(part) or "") == wanted.get(part, "") for part in parts)


def _suffers(borne: Sequence[Object], taints: Iterable[Object], effects: Sequence[str]) -> bool:
    """True when a taint of one of the effects is not tolerated."""
    return any(each.get("effect") in effects and not tolerates(borne, each) for each in taints)
