"""Core: JSON merge patch (RFC 7386): maps merge, null removes, everything else replaces."""

from __future__ import annotations

from typing import Any

from kube.api.errors import bad_request
from kube.api.meta import Object, deep_copy
from kube.api.schema import GO_VALUES


def apply(original: Object, patch: Any) -> Object:
    """A new object; StatusError 400 when the patch is not a map."""
    if not isinstance(patch, dict):
        found = GO_VALUES.get(type(patch), "null")
        text = f"json: cannot unmarshal {found} into Go value of type map[string]interface {{}}"
        raise bad_request(f"error decoding patch: {text}")
    merged: Object = merge(original, patch)
    return merged


def merge(target: Any, patch: Any) -> Any:
    """The RFC's MergePatch(Target, Patch), sharing nothing with its arguments."""
    if not isinstance(patch, dict):
        return deep_copy(patch)
    result = deep_copy(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge(result.get(key), value)
    return result
