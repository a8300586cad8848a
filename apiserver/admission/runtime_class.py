"""Shell: a pod whose containers run in another way costs more, and runs only where they can.

Overhead, node selector and tolerations come from the RuntimeClass that the pod names; nobody else may say
what the overhead is.

After: k8s plugin/pkg/admission/runtimeclass/admission.go
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apiserver.admission.chain import CREATE, Attributes
from apiserver.storage.watch_cache import WatchCache
from kube.api import errors, meta, quantity, tolerations
from kube.api.meta import Object
from kube.api.resources import PODS, RUNTIME_CLASSES

OTHER_OVERHEAD = "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead"
OVERHEAD_OF_NOTHING = "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead"


class RuntimeClass:
    """Fills in what the class says, and refuses a class that is not there."""

    def __init__(self, cache: WatchCache) -> None:
        self._cache = cache

    async def admit(self, attributes: Attributes, o: Object, old: Object | None) -> None:
        if not _is_new_pod(attributes) or (found := await self._class(attributes, o)) is None:
            return
        spec = o["spec"]
        if found.get("overhead") is not None:
            fixed = meta.get(found, "overhead", "podFixed")
            if spec.get("overhead") is not None and not _is_same(spec["overhead"], fixed):
                raise errors.forbidden(PODS, attributes.name, OTHER_OVERHEAD)
            if fixed:
                spec["overhead"] = fixed
        if (scheduling := found.get("scheduling")) is not None:
            _select(attributes, spec, scheduling.get("nodeSelector") or {})
            both = tolerations.merged(spec.get("tolerations") or (), scheduling.get("tolerations") or ())
            if both:
                spec["tolerations"] = both

    async def validate(self, attributes: Attributes, o: Object, old: Object | None) -> None:
        if not _is_new_pod(attributes):
            return
        found = await self._class(attributes, o) or {}
        said = o["spec"].get("overhead")
        if found.get("overhead") is not None:
            if not _is_same(said, meta.get(found, "overhead", "podFixed")):
                raise errors.forbidden(PODS, attributes.name, OTHER_OVERHEAD)
        elif said is not None:
            raise errors.forbidden(PODS, attributes.name, OVERHEAD_OF_NOTHING)

    async def _class(self, attributes: Attributes, pod: Object) -> Object | None:
        """The class that the pod names, if it names one; StatusError 403 where there is no such class."""
        name = pod["spec"].get("runtimeClassName")
        if name is None:
            return None
        entry = await self._cache.find(RUNTIME_CLASSES, "", name)
        if entry is None:
            why = f"pod rejected: RuntimeClass {errors.quote(name)} not found"
            raise errors.forbidden(PODS, attributes.name, why)
        return entry.decode()


def _is_new_pod(attributes: Attributes) -> bool:
    return attributes.resource is PODS and attributes.operation == CREATE and not attributes.subresource


def _is_same(one: Mapping[str, Any] | None, other: Mapping[str, Any] | None) -> bool:
    """True for equal amounts, however they are written."""
    left, right = (
        {name: quantity.parse(str(text)) for name, text in (each or {}).items()} for each in (one, other)
    )
    return left == right


def _select(attributes: Attributes, spec: Object, wanted: Mapping[str, str]) -> None:
    """Keep the pod to the nodes that can run it."""
    selector = spec.get("nodeSelector") or {}
    for key, value in wanted.items():
        if selector.get(key, value) != value:
            why = f"conflict: runtimeClass.scheduling.nodeSelector[{key}] = {value}; "
            why += f"pod.spec.nodeSelector[{key}] = {selector[key]}"
            raise errors.forbidden(PODS, attributes.name, why)
    if wanted:
        spec["nodeSelector"] = {**selector, **wanted}
