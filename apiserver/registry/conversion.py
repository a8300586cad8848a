"""Core: the kinds that are served in two versions but stored in one: Events, and HorizontalPodAutoscalers.

The first version in the table of kinds is the one stored. Everyone else is converted at the edge, in the
handlers.

After: k8s pkg/apis/{core,events,autoscaling}/v1/conversion.go
"""

from __future__ import annotations

from functools import cache

from apiserver.registry import autoscaler_versions
from kube.api.meta import Object
from kube.api.resources import RESOURCES, Resource

# core/v1 Event -> events.k8s.io/v1 Event; what is not here has the same name in both.
EVENT_FIELDS = {
    "involvedObject": "regarding",
    "message": "note",
    "source": "deprecatedSource",
    "firstTimestamp": "deprecatedFirstTimestamp",
    "lastTimestamp": "deprecatedLastTimestamp",
    "count": "deprecatedCount",
    "reportingComponent": "reportingController",
}


@cache
def stored_as(resource: Resource) -> Resource:
    """The version in which the store keeps this kind."""
    return next(each for each in RESOURCES if each.storage_prefix() == resource.storage_prefix())


def is_stored(resource: Resource) -> bool:
    """True when this version is the one stored."""
    return stored_as(resource) is resource


def to_stored(resource: Resource, o: Object) -> Object:
    """A client's object as it is stored."""
    return o if is_stored(resource) else _convert(o, stored_as(resource))


def from_stored(resource: Resource, o: Object) -> Object:
    """A stored object as this version shows it."""
    return o if is_stored(resource) else _convert(o, resource)


def _convert(o: Object, target: Resource) -> Object:
    new = {**o, "apiVersion": target.api_version, "kind": target.kind}
    if target.plural == "events":
        names = EVENT_FIELDS if target.group else {new: old for old, new in EVENT_FIELDS.items()}
        return {names.get(key, key): value for key, value in new.items()}
    assert target.plural == "horizontalpodautoscalers", target
    return autoscaler_versions.to_v1(new) if target.version == "v1" else autoscaler_versions.to_v2(new)
