"""Shell: a pod stays five minutes on a node that is not ready or not reachable, unless it says otherwise.

After: k8s plugin/pkg/admission/defaulttolerationseconds/admission.go
"""

from __future__ import annotations

from apiserver.admission.chain import CREATE, Attributes
from kube.api.meta import Object
from kube.api.resources import PODS

KEYS = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
SECONDS = 300


class DefaultTolerationSeconds:
    """Adds the two tolerations."""

    async def admit(self, attributes: Attributes, o: Object, old: Object | None) -> None:
        if attributes.resource is not PODS or attributes.operation != CREATE or attributes.subresource:
            return
        tolerations = o["spec"].setdefault("tolerations", [])
        for key in KEYS:
            if not any(_tolerates(each, key) for each in tolerations):
                toleration = {
                    "key": key,
                    "operator": "Exists",
                    "effect": "NoExecute",
                    "tolerationSeconds": SECONDS,
                }
                tolerations.append(toleration)


def _tolerates(toleration: Object, key: str) -> bool:
    return toleration.get("key") in (key, None, "") and toleration.get("effect") in ("NoExecute", None, "")
