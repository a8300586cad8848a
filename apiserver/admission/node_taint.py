"""Shell: a new node is tainted not-ready, so that nothing lands on it before its kubelet has reported.

After: k8s plugin/pkg/admission/nodetaint/admission.go
"""

from __future__ import annotations

from apiserver.admission.chain import CREATE, Attributes
from kube.api.meta import Object
from kube.api.resources import NODES

TAINT = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}


class TaintNodesByCondition:
    """Adds the taint at create; the node lifecycle takes it away."""

    async def admit(self, attributes: Attributes, o: Object, old: Object | None) -> None:
        if attributes.resource is not NODES or attributes.operation != CREATE:
            return
        spec = o.setdefault("spec", {})
        taints = spec.setdefault("taints", [])
        if not any(
            (each.get("key"), each.get("effect")) == (TAINT["key"], TAINT["effect"]) for each in taints
        ):
            taints.append(dict(TAINT))
