"""Core: finds a controller's dependents: by its uid, or as orphans that it might adopt.

One index serves both: an object is found under the uid of its controller, or, without one, under its
namespace.
"""

from __future__ import annotations

from kube.api import meta
from kube.api.meta import Object

INDEX = "controller"
NAMESPACE_INDEX = "namespace"


def controller_index(o: Object) -> list[str]:
    """The index function: under which value `o` is found."""
    controller = meta.controller_of(o)
    return [controller["uid"] if controller is not None else orphans_of(meta.namespace(o))]


def orphans_of(namespace: str) -> str:
    """The index value of all objects in a namespace that no controller owns."""
    return f"orphans/{namespace}"


def namespace_index(o: Object) -> list[str]:
    """Find objects by their namespace."""
    return [meta.namespace(o)]
