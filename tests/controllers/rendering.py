"""Writes a plan's actions as text: one line each, an Update as what it changes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Any

from kube.api import meta
from kube.api.actions import (
    Action,
    Create,
    Delete,
    DeleteCollection,
    EmitEvent,
    Patch,
    RequeueAfter,
    Update,
    UpdateStatus,
)
from kube.api.meta import Object


def render(actions: Iterable[Action], known: Mapping[str, Object]) -> str:
    """The actions as text; `known` are the objects as they were, by uid."""
    blocks = ["\n".join(_lines(action, known)) for action in actions]
    counted = [(block, len(list(run))) for block, run in groupby(blocks)]
    return "\n".join(_times(block, count) for block, count in counted) or "nothing"


def _times(block: str, count: int) -> str:
    return f"{count} times {block}" if count > 1 else block


def _lines(action: Action, known: Mapping[str, Object]) -> list[str]:
    match action:
        case Create():
            told = action.announcement
            size = meta.get(action.object, "spec", "replicas")
            name = meta.name(action.object) or f"{action.object['metadata'].get('generateName')}*"
            what = f"create {action.resource.plural} {name}"
            return [
                what if size is None else f"{what} replicas={size}",
                *([f"    then event {told.success_reason}: {told.success_message}"] if told else []),
            ]
        case Update():
            what = f"update {action.resource.plural} {meta.name(action.object)}"
            return [
                what + (f"/{action.subresource}" if action.subresource else ""),
                *_difference(action.object, known),
            ]
        case UpdateStatus():
            what = f"status {action.resource.plural} {meta.name(action.object)}"
            return [what, *_difference(action.object, known)]
        case Patch():
            return [f"patch {action.resource.plural} {action.name} {action.type} {json.dumps(action.patch)}"]
        case Delete():
            policy = f" {action.propagation_policy}" if action.propagation_policy else ""
            return [f"delete {action.resource.plural} {action.name}{policy}"]
        case DeleteCollection():
            return [f"delete all {action.resource.plural} in {action.namespace}"]
        case EmitEvent():
            return [f"event {action.type} {action.reason}: {action.message}"]
        case RequeueAfter():
            return [f"look again after {action.seconds:g}s"]
    raise AssertionError(action)


def _difference(new: Object, known: Mapping[str, Object]) -> list[str]:
    old = _flat(known.get(meta.uid(new), {}))
    now = _flat(new)
    gone = [f"    {path}: gone" for path in old if path not in now]
    return [f"    {path}: {value}" for path, value in now.items() if old.get(path) != value] + gone


def _flat(value: Any, path: str = "") -> dict[str, Any]:
    """Paths of all leaves; conditions are named by their type, not their place."""
    if isinstance(value, dict) and value:
        return {
            inner: leaf
            for key, item in value.items()
            for inner, leaf in _flat(item, f"{path}.{key}" if path else key).items()
        }
    if path.endswith("conditions") and isinstance(value, list):
        return {f"{path}.{each['type']}": _condition(each) for each in value}
    return {path: value} if value not in ({}, []) else {}


def _condition(condition: Mapping[str, Any]) -> str:
    times = [condition.get(part, "") for part in ("lastUpdateTime", "lastTransitionTime")]
    short = " ".join(each[11:19] for each in times if each)
    why = f" {condition['reason']} ({condition['message']})" if "reason" in condition else ""
    return f"{condition['status']}{why} at {short}"
