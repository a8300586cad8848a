"""Core: a container's requests and limits as the kernel has them.

After: k8s pkg/kubelet/cm/helpers_linux.go; pkg/kubelet/qos/policy.go.
"""

from __future__ import annotations

from kube.api import meta, quantity
from kube.api.meta import Object
from kubelet.pod.qos import qos_class
from kubelet.runtime.interface import Resources

SHARES_MIN, SHARES_MAX = 2, 262_144
QUOTA_MIN, PERIOD = 1000, 100_000
GUARANTEED, BEST_EFFORT = -997, 1000
NODE_CRITICAL = 2_000_001_000


def resources(pod: Object, container: Object, memory_bytes: int) -> Resources:
    """memory_bytes: the node's."""
    cpu = _amount(container, "requests", "cpu").milli_value()
    limit = _amount(container, "limits", "cpu").milli_value()
    return Resources(
        cpu_shares=min(max((cpu or limit) * 1024 // 1000, SHARES_MIN), SHARES_MAX),
        cpu_quota=max(limit * PERIOD // 1000, QUOTA_MIN) if limit else 0,
        cpu_period=PERIOD,
        memory_limit_bytes=_amount(container, "limits", "memory").value(),
        oom_score_adj=_oom_score(pod, container, memory_bytes),
    )


def _oom_score(pod: Object, container: Object, memory_bytes: int) -> int:
    """The more of the node's memory a container asked for, the later it is killed."""
    quality = qos_class(pod)
    if quality == "Guaranteed" or (pod["spec"].get("priority") or 0) >= NODE_CRITICAL:
        return GUARANTEED
    if quality == "BestEffort":
        return BEST_EFFORT
    share = 1000 * _amount(container, "requests", "memory").value() // max(memory_bytes, 1)
    return min(max(1000 - share, 1000 + GUARANTEED), BEST_EFFORT - 1)


def _amount(container: Object, kind: str, resource: str) -> quantity.Quantity:
    return quantity.parse(meta.get(container, "resources", kind, resource, default="0"))
