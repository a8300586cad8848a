"""Core: whose is it? Decides for each object whether a controller owns it, takes it, lets it go or leaves it.

* Ours and matching the selector: owned. Ours and no longer matching: released.
* Nobody's and matching: adopted, unless it is being deleted.
* Another's: left alone, whatever its labels.

A controller that is being deleted neither adopts nor releases. Whether it is must be asked of the server
before an adoption (`may_adopt`): its cached copy may be from before its deletion, and what it would adopt
from an earlier life under the same name would be lost to the next.

After: k8s pkg/controller/controller_ref_manager.go.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from kube.api import meta
from kube.api.actions import Action, Patch
from kube.api.labels import Selector
from kube.api.meta import Object
from kube.api.resources import Resource


@dataclass(slots=True)
class Claim:
    """What the controller owns now, counting what it is about to adopt, and the patches that make it so."""

    owned: list[Object] = field(default_factory=list)
    actions: list[Action] = field(default_factory=list)


def adoptable(owner: Object, selector: Selector, objects: Sequence[Object]) -> list[Object]:
    """The objects that `owner` would adopt if it may."""
    if meta.is_terminating(owner):
        return []
    return [
        each
        for each in objects
        if meta.controller_of(each) is None
        and not meta.is_terminating(each)
        and selector.matches(meta.labels(each))
    ]


def claim(
    owner: Object,
    owner_resource: Resource,
    selector: Selector,
    objects: Sequence[Object],
    resource: Resource,
    *,
    may_adopt: bool,
) -> Claim:
    """Sort the objects of `resource` into what `owner` owns, adopts and releases."""
    result = Claim()
    adopted = {meta.uid(each) for each in adoptable(owner, selector, objects)} if may_adopt else set()
    for each in objects:
        if meta.is_controlled_by(each, owner):
            if selector.matches(meta.labels(each)):
                result.owned.append(each)
            elif not meta.is_terminating(owner):
                result.actions.append(_release(each, owner, resource))
        elif meta.uid(each) in adopted:
            result.owned.append(each)
            result.actions.append(_adopt(each, owner, owner_resource, resource))
    return result


def _adopt(each: Object, owner: Object, owner_resource: Resource, resource: Resource) -> Patch:
    reference = meta.owner_reference(owner, owner_resource)
    return _patch(each, resource, {"ownerReferences": [reference], "uid": meta.uid(each)})


def _release(each: Object, owner: Object, resource: Resource) -> Patch:
    gone = {"$patch": "delete", "uid": meta.uid(owner)}
    return _patch(each, resource, {"ownerReferences": [gone], "uid": meta.uid(each)})


def _patch(each: Object, resource: Resource, metadata: Object) -> Patch:
    """The uid in the metadata makes the server refuse if another object has the name by now."""
    return Patch(resource, meta.namespace(each), meta.name(each), {"metadata": metadata}, "strategic")
