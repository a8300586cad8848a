"""Core: what a watch says: one event at a time, each with the whole object.

After: k8s staging/src/k8s.io/apimachinery/pkg/watch/watch.go.
"""

from __future__ import annotations

from dataclasses import dataclass

from kube.api.meta import Object

ADDED = "ADDED"
MODIFIED = "MODIFIED"
DELETED = "DELETED"
BOOKMARK = "BOOKMARK"
ERROR = "ERROR"


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """One change; a DELETED object carries its last state and the revision of its deletion."""

    type: str
    object: Object
