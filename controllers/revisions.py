"""Core: ControllerRevisions: what a workload's pod template was, under a number that grows.

A revision holds its data as a patch that brings the owner back to it: `kubectl rollout undo` sends it as it
is. What was once before becomes current again under a new number, not as a second revision.

    name      <owner>-<hash of the data and of the owner's collision count>
    surplus   the oldest that nobody uses, beyond the limit

After: k8s pkg/controller/history/controller_history.go.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from controllers.claim import Claim, claim
from kube.api import meta
from kube.api.actions import Delete
from kube.api.hashing import template_hash
from kube.api.labels import Selector
from kube.api.meta import Object
from kube.api.resources import CONTROLLER_REVISIONS, Resource

HASH = "controller.kubernetes.io/hash"
OWNER_NAME_LENGTH_MAX = 223


def template_patch(owner: Object) -> Object:
    """The data of a workload's revision: the patch that brings back its present pod template."""
    template = meta.get(owner, "spec", "template", default={})
    return {"spec": {"template": {**template, "$patch": "replace"}}}


def template_of(revision: Object) -> Object:
    """The pod template that a revision holds."""
    template: Object = meta.get(revision, "data", "spec", "template", default={})
    return {part: value for part, value in template.items() if part != "$patch"}


def name_for(owner: Object, data: Object, collision_count: int) -> str:
    """The name that a revision with this data gets."""
    return f"{meta.name(owner)[:OWNER_NAME_LENGTH_MAX]}-{template_hash(data, collision_count)}"


def new_revision(
    owner: Object, resource: Resource, data: Object, number: int, collision_count: int
) -> Object:
    """A revision of `owner`, labelled as its pods are, with the annotations of the owner."""
    labels = meta.get(owner, "spec", "template", "metadata", "labels", default={})
    metadata = {
        "name": name_for(owner, data, collision_count),
        "namespace": meta.namespace(owner),
        "labels": {**labels, HASH: template_hash(data, collision_count)},
        "annotations": {**meta.annotations(owner)},
        "ownerReferences": [meta.owner_reference(owner, resource)],
    }
    identity = {"apiVersion": CONTROLLER_REVISIONS.api_version, "kind": CONTROLLER_REVISIONS.kind}
    return {**identity, "metadata": metadata, "data": data, "revision": number}


def claim_revisions(
    owner: Object, resource: Resource, selector: Selector, revisions: Sequence[Object], *, may_adopt: bool
) -> Claim:
    """Which of the revisions are the owner's, counting those it adopts."""
    return claim(owner, resource, selector, revisions, CONTROLLER_REVISIONS, may_adopt=may_adopt)


def number(revision: Object) -> int:
    """The revision's number; the newest has the highest."""
    return int(revision.get("revision") or 0)


def sorted_by_number(revisions: Sequence[Object]) -> list[Object]:
    """Oldest first; between equal numbers the one made first, then the name."""
    return sorted(revisions, key=lambda each: (number(each), meta.creation_time(each), meta.name(each)))


def next_number(revisions: Sequence[Object]) -> int:
    """One more than the highest."""
    return max(map(number, revisions), default=0) + 1


def find_equal(revisions: Sequence[Object], data: Object) -> Object | None:
    """The newest revision with this data."""
    found = [each for each in sorted_by_number(revisions) if each.get("data") == data]
    return found[-1] if found else None


def surplus(revisions: Sequence[Object], in_use: Collection[str], limit: int) -> list[Delete]:
    """Delete the oldest of the revisions whose names are not in use, so that `limit` of them are left."""
    unused = [each for each in sorted_by_number(revisions) if meta.name(each) not in in_use]
    doomed = unused[: max(len(unused) - limit, 0)] if limit >= 0 else []
    return [
        Delete(CONTROLLER_REVISIONS, meta.namespace(each), meta.name(each), meta.uid(each)) for each in doomed
    ]
