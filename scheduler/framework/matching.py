"""Core: what plug-ins share: does a pod tolerate a node's taints, does its node affinity allow the node.

After: k8s staging/src/k8s.io/component-helpers/scheduling/corev1/helpers.go.
"""

from __future__ import annotations

from kube.api import node_selection
from kube.api.tolerations import tolerates
from scheduler.framework.node_info import NodeInfo
from scheduler.framework.pod_info import PodInfo


def tolerates_hard_taints(pod: PodInfo, node: NodeInfo) -> bool:
    """True when no NoSchedule or NoExecute taint keeps the pod off the node."""
    tolerations = pod.spec.get("tolerations") or ()
    return all(
        taint.get("effect") not in ("NoSchedule", "NoExecute") or tolerates(tolerations, taint)
        for taint in node.taints
    )


def allows_node(pod: PodInfo, node: NodeInfo) -> bool:
    """True when the pod's nodeSelector and required node affinity allow the node."""
    return node_selection.allows_node(pod.spec, node.node or {})
