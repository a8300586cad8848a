"""Core: decides what to delete next in a namespace that is being deleted, and when it may go.

Pods first, so that what they use outlives them; then everything else at once; then, when nothing is left, the
finalizer `kubernetes` is taken away and the API server removes the namespace. Meanwhile the conditions say
what is still there and whose finalizers hold it.

Sees: the namespace, the metadata of everything in it, by resource, and what could not be listed.
Says: DeleteCollection, UpdateStatus, RequeueAfter; at the end Update of `finalize`.
Invariants: a namespace is let go only when all of it was seen to be empty.
Absent: failures of discovery, as what is served is known.
After: k8s pkg/controller/namespace/deletion/{namespaced_resources_deleter,status_condition_utils}.go.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from kube.api import conditions, meta
from kube.api.actions import Action, DeleteCollection, RequeueAfter, Update, UpdateStatus
from kube.api.meta import Object
from kube.api.resources import NAMESPACES, PODS, Resource

FINALIZER = "kubernetes"
# Deletions are also heard of; this is for those that happen unheard.
LOOK_AGAIN_SECONDS = 2.0

# The conditions of a deletion while nothing stands in its way.
FINE = {
    "NamespaceDeletionDiscoveryFailure": ("ResourcesDiscovered", "All resources successfully discovered"),
    "NamespaceDeletionGroupVersionParsingFailure": (
        "ParsedGroupVersions",
        "All legacy kube types successfully parsed",
    ),
    "NamespaceDeletionContentFailure": (
        "ContentDeleted",
        "All content successfully deleted, may be waiting on finalization",
    ),
    "NamespaceContentRemaining": ("ContentRemoved", "All content successfully removed"),
    "NamespaceFinalizersRemaining": ("ContentHasNoFinalizers", "All content-preserving finalizers finished"),
}


@dataclass(slots=True)
class Seen:
    """What is left in the namespace, by resource that has any; why others could not be listed."""

    namespace: Object
    content: Mapping[Resource, Sequence[Object]] = field(default_factory=dict)
    failures: Sequence[str] = ()


def plan(seen: Seen, now: datetime) -> list[Action]:
    """The next step of a deletion."""
    namespace = seen.namespace
    assert meta.is_terminating(namespace), "only a namespace that is being deleted is emptied"
    if not seen.content and not seen.failures:
        return _let_go(namespace)
    first = [PODS] if PODS in seen.content else [*seen.content]
    # What is terminating already needs no second request.
    asked = [each for each in first if any(not meta.is_terminating(o) for o in seen.content[each])]
    status = {**(namespace.get("status") or {}), "phase": "Terminating"}
    status["conditions"] = _conditions(seen, now)
    actions: list[Action] = [DeleteCollection(each, meta.name(namespace)) for each in asked]
    if status != namespace.get("status"):
        actions.append(UpdateStatus(NAMESPACES, {**namespace, "status": status}))
    # What has no finalizer is gone as soon as it is asked to go: look at what is left at once.
    return [*actions, RequeueAfter(0.05 if asked else LOOK_AGAIN_SECONDS)]


def _let_go(namespace: Object) -> list[Action]:
    finalizers: list[str] = meta.get(namespace, "spec", "finalizers", default=[])
    if FINALIZER not in finalizers:
        return []
    others = [each for each in finalizers if each != FINALIZER]
    spec = {**(namespace.get("spec") or {}), "finalizers": others}
    return [Update(NAMESPACES, {**namespace, "spec": spec}, "finalize")]


def _conditions(seen: Seen, now: datetime) -> list[dict[str, Any]]:
    result: list[dict[str, Any]] = meta.get(seen.namespace, "status", "conditions", default=[])
    remaining = _remaining(seen.content) | _finalizers(seen.content) | _failed(seen.failures)
    for condition_type, (reason, message) in FINE.items():
        fine = {"type": condition_type, "status": "False", "reason": reason, "message": message}
        result = conditions.set_condition(result, remaining.get(condition_type, fine), now)
    return result


def _remaining(content: Mapping[Resource, Sequence[Object]]) -> dict[str, dict[str, str]]:
    if not content:
        return {}
    counts = sorted((f"{each.plural}.{each.group}", len(objects)) for each, objects in content.items())
    listed = ", ".join(f"{name} has {count} resource instances" for name, count in counts)
    condition = _true(
        "NamespaceContentRemaining", "SomeResourcesRemain", f"Some resources are remaining: {listed}"
    )
    return {condition["type"]: condition}


def _finalizers(content: Mapping[Resource, Sequence[Object]]) -> dict[str, dict[str, str]]:
    holding = Counter(
        finalizer for objects in content.values() for each in objects for finalizer in meta.finalizers(each)
    )
    if not holding:
        return {}
    listed = ", ".join(f"{name} in {count} resource instances" for name, count in sorted(holding.items()))
    message = f"Some content in the namespace has finalizers remaining: {listed}"
    condition = _true("NamespaceFinalizersRemaining", "SomeFinalizersRemain", message)
    return {condition["type"]: condition}


def _failed(failures: Sequence[str]) -> dict[str, dict[str, str]]:
    if not failures:
        return {}
    listed = ", ".join(sorted(failures))
    message = f"Failed to delete all resource types, {len(failures)} remaining: {listed}"
    condition = _true("NamespaceDeletionContentFailure", "ContentDeletionFailed", message)
    return {condition["type"]: condition}


def _true(condition_type: str, reason: str, message: str) -> dict[str, str]:
    return {"type": condition_type, "status": "True", "reason": reason, "message": message}
