"""Shell: gives containers what the LimitRanges of their namespace say, and refuses what is beyond.

Absent: a second look after webhooks, of which there are none.
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
        check = CHECKS.get(attributes.resource) if not attributes.subresource else None
        if check is None or attributes.operation == DELETE or meta.is_terminating(o):
            return
        known = self._known(attributes.namespace)
        if attributes.resource is PODS:
            if attributes.operation != CREATE:
                return
            for each in known:
                limit_ranges.give(each, o)
        for each in known:
            if faults := check(each, o):
                why = faults[0] if len(faults) == 1 else f"[{', '.join(faults)}]"
                raise errors.forbidden(attributes.resource, attributes.name, why)

    def _known(self, namespace: str) -> list[Object]:
        """The LimitRanges of a namespace, by name."""
        entries = self._cache.log(LIMIT_RANGES).objects
        return [entries[key].decode() for key in entries.irange(f"{namespace}/", f"{namespace}0")]
