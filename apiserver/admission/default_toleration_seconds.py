"""Shell: a pod stays a while (five minutes) on a node that is not ready or not reachable, unless it says
otherwise.

After: k8s plugin/pkg/admission/defaulttolerationseconds/admission.go
"""

from __future__ import annotations

from apiserver.admission.chain import CREATE, Attributes
from kube.api.meta import Object
from kube.api.resources import PODS

NOT_READY, UNREACHABLE = "node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"


class DefaultTolerationSeconds:
    """Adds the two tolerations."""

    def __init__(self, not_ready_seconds: int, unreachable_seconds: int) -> None:
        self._seconds = {NOT_READY: not_ready_seconds, UNREACHABLE: unreachable_seconds}

    async def admit(self, attributes: Attributes, o: Object, old: Object | None) -> None:
        if attributes.resource is not PODS or attributes.operation != CREATE or attributes.subresource:
            return
        tolerations = o["spec"].setdefault("tolerations", [])
        for key, seconds in self._seconds.items():
            if not any(_tolerates(each, key) for each in tolerations):
                toleration = {
                    "key": key,
                    "operator": "Exists",
                    "effect": "NoExecute",
                    "tolerationSeconds": seconds,
                }
                tolerations.append(toleration)


def _tolerates(toleration: Object, key: str) -> bool:
    return toleration.get("key") in (key, None, "") and toleration.get("effect") in ("NoExecute", None, "")
