"""Core: decides whether the ConfigMap kube-root-ca.crt of a namespace is missing or says something else.

After: k8s pkg/controller/certificates/rootcacertpublisher/publisher.go.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from kube.api import meta
from kube.api.actions import Action, Create, Update
from kube.api.meta import Object
from kube.api.resources import CONFIG_MAPS

NAME = "kube-root-ca.crt"
DESCRIPTION = "kubernetes.io/description"
WHAT_FOR = (
    "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints "
    "such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across "
    "distributions of Kubernetes clusters."
)


@dataclass(frozen=True, slots=True)
class Seen:
    """The namespace, its ConfigMap if it has one, and the certificate to publish (PEM)."""

    namespace: Object
    config_map: Object | None
    certificate: str


def plan(seen: Seen, _: datetime) -> list[Action]:
    """Create or mend the ConfigMap, unless the namespace is on its way out."""
    if meta.is_terminating(seen.namespace):
        return []
    data = {"ca.crt": seen.certificate}
    if seen.config_map is None:
        metadata = {
            "name": NAME,
            "namespace": meta.name(seen.namespace),
            "annotations": {DESCRIPTION: WHAT_FOR},
        }
        return [Create(CONFIG_MAPS, {"metadata": metadata, "data": data})]
    annotations = meta.annotations(seen.config_map)
    if seen.config_map.get("data") == data and DESCRIPTION in annotations:
        return []
    metadata = {**seen.config_map["metadata"], "annotations": annotations | {DESCRIPTION: WHAT_FOR}}
    return [Update(CONFIG_MAPS, {**seen.config_map, "metadata": metadata, "data": data})]
