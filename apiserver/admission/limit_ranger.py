"""Shell: gives containers what the LimitRanges of their namespace say, and refuses what is beyond.

After: k8s plugin/pkg/admission/limitranger/admission.go
"""

from __future__ import annotations

from apiserver.admission import limit_ranges
from apiserver.admission.chain import CREATE, DELETE, Attributes
from apiserver.storage.watch_cache import WatchCache
from kube.api import errors, meta
from kube.api.meta import Object
from kube.api.resources import LIMIT_RANGES, PERSISTENT_VOLUME_CLAIMS, PODS

CHECKS = {PODS: limit_ranges.pod_faults, PERSISTENT_VOLUME_CLAIMS: limit_ranges.claim_faults}


class LimitRanger:
    """Pods when they are created, claims also when they are changed."""

    def __init__(self, cache: WatchCache) -> None:
        self._cache = cache

    async def admit(self, attributes: Attributes, o: Object, old: Object | None) -> None:
        if attributes.resource is PODS and _is_looked_at(attributes, o):
            for each in self._known(attributes.namespace):
                limit_ranges.give(each, o)

    async def validate(self, attributes: Attributes, o: Object, old: Object | None) -> None:
        if not _is_looked_at(attributes, o):
            return
        check = CHECKS[attributes.resource]
        for each in self._known(attributes.namespace):
            if faults := check(each, o):
                why = faults[0] if len(faults) == 1 else f"[{', '.join(faults)}]"
                raise errors.forbidden(attributes.resource, attributes.name, why)

    def _known(self, namespace: str) -> list[Object]:
        """The LimitRanges of a namespace, by name."""
        entries = self._cache.log(LIMIT_RANGES).objects
        return [entries[key].decode() for key in entries.irange(f"{namespace}/", f"{namespace}0")]


def _is_looked_at(attributes: Attributes, o: Object) -> bool:
    if attributes.resource not in CHECKS or attributes.subresource or meta.is_terminating(o):
        return False
    if attributes.resource is PODS:
        return attributes.operation == CREATE
    return attributes.operation != DELETE
