"""Shell: writes a pod's priority class out as a number, which scheduler and kubelet compare.

After: k8s plugin/pkg/admission/priority/admission.go
"""

from __future__ import annotations

from apiserver.admission.chain import CREATE, DELETE, Attributes
from apiserver.storage.watch_cache import WatchCache
from kube.api import errors, meta
from kube.api.meta import Object
from kube.api.resources import PODS, PRIORITY_CLASSES

PREEMPT = "PreemptLowerPriority"


class Priority:
    """Looks the class up, or takes the one that is the default of all."""

    def __init__(self, cache: WatchCache) -> None:
        self._cache = cache

    async def admit(self, attributes: Attributes, o: Object, old: Object | None) -> None:
        if attributes.resource is PRIORITY_CLASSES and attributes.operation != DELETE:
            self._check_default(attributes, o)
        if attributes.resource is not PODS or attributes.operation != CREATE or attributes.subresource:
            return
        spec = o["spec"]
        name = spec.get("priorityClassName") or ""
        found = await self._named(attributes, name) if name else self._default()
        value, policy = 0, PREEMPT
        if found is not None:
            value, policy = found.get("value") or 0, found.get("preemptionPolicy") or PREEMPT
            spec["priorityClassName"] = meta.name(found)
        if spec.get("priority") not in (None, value):
            why = f"the integer value of priority ({spec['priority']}) must not be provided in pod spec; "
            why += f"priority admission controller computed {value} from the given PriorityClass name"
            raise errors.forbidden(PODS, attributes.name, why)
        if spec.get("preemptionPolicy") not in (None, policy):
            why = f"the string value of PreemptionPolicy ({spec['preemptionPolicy']}) must not be provided "
            why += f"in pod spec; priority admission controller computed {policy} from the given "
            raise errors.forbidden(PODS, attributes.name, f"{why}PriorityClass name")
        spec["priority"], spec["preemptionPolicy"] = value, policy

    def _check_default(self, attributes: Attributes, o: Object) -> None:
        """Refuse a second class for pods that name none."""
        known = self._default() if o.get("globalDefault") else None
        if known is not None and meta.name(known) != attributes.name:
            why = f"PriorityClass {meta.name(known)} is already marked as default. Only one default can exist"
            raise errors.forbidden(PRIORITY_CLASSES, attributes.name, why)

    async def _named(self, attributes: Attributes, name: str) -> Object:
        entry = await self._cache.find(PRIORITY_CLASSES, "", name)
        if entry is None:
            why = f"no PriorityClass with name {name} was found"
            raise errors.forbidden(PODS, attributes.name, why)
        return entry.decode()

    def _default(self) -> Object | None:
        classes = [entry.decode() for entry in self._cache.log(PRIORITY_CLASSES).objects.values()]
        defaults = [each for each in classes if each.get("globalDefault")]
        return min(defaults, key=lambda each: each.get("value") or 0, default=None)
