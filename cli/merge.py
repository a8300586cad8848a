"""Core: the merge patch that leads from one object to another."""

from __future__ import annotations

from typing import Any

from kube.api.meta import Object


def diff(old: Object, new: Object) -> Object:
    """What to set and (None) remove; lists are replaced whole."""
    patch: dict[str, Any] = {key: None for key in old if key not in new}
    for key, value in new.items():
        if isinstance(value, dict) and isinstance(old.get(key), dict):
            if inner := diff(old[key], value):
                patch[key] = inner
        elif key not in old or old[key] != value:
            patch[key] = value
    return patch
