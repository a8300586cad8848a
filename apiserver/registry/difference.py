"""Core: how two values differ, as refusals of changes show it: a unified diff of their JSON.

Kubernetes prints its internal types there, whose fields have other names and are all present; here stand the
fields of the API, those that are set.

After: k8s staging/src/k8s.io/apimachinery/pkg/util/diff/diff.go, Diff
"""

from __future__ import annotations

import json
from difflib import unified_diff
from typing import Any


def difference(before: Any, after: Any) -> str:
    """Three lines of context around each change."""
    was, now = (
        json.dumps(each, indent=2, sort_keys=True).splitlines(keepends=True) for each in (before, after)
    )
    # The first two lines name files, of which there are none.
    return "".join([*unified_diff(was, now)][2:]) or "<no diffs>"
