"""Core: what a webhook sees of an object, and what of its changes is taken over.

    the object itself   in the version that the webhook's rules name, which may not be the one stored
    a Scale             where only the replicas are written (registry/scale.py)
    another kind        what is asked about but not stored: a Binding, an Eviction, the options of an exec

A change comes in by the same door as a client's: what that door does not write is as it was, defaults are
filled in. While a new object may still change it has no uid and no time yet, and a name only if its maker
gave it one.

After: k8s staging/src/k8s.io/apiserver/pkg/admission/conversion.go; pkg/endpoints/handlers/create.go
"""

from __future__ import annotations

from dataclasses import dataclass

from apiserver.admission.chain import CONNECT, CREATE, Attributes
from apiserver.registry import conversion, status
from apiserver.registry.scale import SCALE, scale_of, scaled
from kube.api import errors, meta
from kube.api.defaults import apply_defaults
from kube.api.gvk import GroupVersionKind
from kube.api.meta import Object
from kube.api.resources import Resource

OWN = ("uid", "creationTimestamp")
WRONG_NAMESPACE = "the namespace of the provided object does not match the namespace sent on the request"


@dataclass(frozen=True, slots=True)
class View:
    """How one webhook sees the objects of one request.

    resource: in the version its rules name.
    gvk: of the object it is shown.
    """

    attributes: Attributes
    resource: Resource
    gvk: GroupVersionKind

    @classmethod
    def of(cls, attributes: Attributes, o: Object, resource: Resource) -> View:
        return cls(attributes, resource, gvk_of(attributes, o, resource))

    def shown(self, o: Object, *, is_settled: bool = True) -> Object:
        """An object as the webhook sees it, which shares with it; is_settled: it will not change any more."""
        attributes = self.attributes
        if attributes.operation == CONNECT:
            return {key: value for key, value in o.items() if key != "metadata"}
        if self.gvk == SCALE:
            return scale_of(o)
        if self._is_another_kind(o):
            return o
        seen = conversion.from_stored(self.resource, o)
        if is_settled or attributes.operation != CREATE:
            return seen
        hidden = (*OWN, "name") if attributes.has_generated_name else OWN
        metadata = {key: value for key, value in seen["metadata"].items() if key not in hidden}
        return {**seen, "metadata": metadata}

    def taken(self, changed: Object, o: Object, old: Object | None) -> Object:
        """The object after a change of what was shown, pruned already; StatusError where it may not be so."""
        if self.gvk == SCALE:
            return scaled(o, changed)
        changed.setdefault("metadata", {})
        if self._is_another_kind(o):
            return changed
        new = conversion.to_stored(self.resource, changed)
        attributes = self.attributes
        if old is None:
            self._settle(new, o)
            status.prepare_create(attributes.resource, new)
        else:
            status.prepare_update(attributes.resource, attributes.subresource, new, old)
        apply_defaults(attributes.resource, new)
        return new

    def _settle(self, new: Object, o: Object) -> None:
        """Give a new object what was hidden, and the namespace it is made in."""
        metadata, namespace = new["metadata"], self.attributes.namespace
        metadata |= {part: o["metadata"][part] for part in OWN if part in o["metadata"]}
        if self.attributes.has_generated_name and not metadata.get("name"):
            metadata["name"] = meta.name(o)
        if not self.attributes.resource.namespaced:
            metadata.pop("namespace", None)
        elif metadata.setdefault("namespace", namespace) != namespace:
            raise errors.bad_request(WRONG_NAMESPACE)

    def _is_another_kind(self, o: Object) -> bool:
        stored = self.attributes.resource
        return (o.get("apiVersion"), o.get("kind")) != (stored.api_version, stored.kind)


def gvk_of(attributes: Attributes, o: Object, resource: Resource) -> GroupVersionKind:
    """The kind of object that a request to a resource is about."""
    if attributes.subresource == "scale":
        return SCALE
    stored = attributes.resource
    if (o.get("apiVersion"), o.get("kind")) == (stored.api_version, stored.kind):
        return resource.gvk
    return GroupVersionKind.of(o["apiVersion"], o["kind"])


def labels(attributes: Attributes, o: Object | None) -> dict[str, str] | None:
    """What an objectSelector looks at; None for what has no labels to choose it by."""
    if o is None or attributes.operation == CONNECT:
        return None
    return {} if attributes.subresource == "scale" else meta.labels(o)
