"""Core: which volume fits a claim best: of those with the fewest access modes, the smallest.

Absent: volume attributes classes.
After: k8s pkg/controller/volume/persistentvolume/index.go;
staging/src/k8s.io/component-helpers/storage/volume/pv_helpers.go, FindMatchingVolume.
"""

from __future__ import annotations

from collections.abc import Sequence

from kube.api import meta, quantity
from kube.api.labels import Selector
from kube.api.meta import Object
from kube.api.quantity import Quantity
from kube.api.volumes import class_of, is_claimed_by


def best_match(claim: Object, volumes: Sequence[Object], *, is_delayed: bool) -> Object | None:
    """The volume kept for the claim, or else the best free one, which a delayed claim leaves alone."""
    fitting = [
        each
        for each in volumes
        if misfit(each, claim, check_class=False) is None and not meta.is_terminating(each)
    ]
    for each in fitting:
        if is_claimed_by(each, claim):
            return each
    if is_delayed:
        return None
    selector = meta.get(claim, "spec", "selector")
    matches = Selector.from_label_selector(selector).matches if selector is not None else lambda _: True
    free = [
        each
        for each in fitting
        if meta.get(each, "spec", "claimRef") is None
        and meta.get(each, "status", "phase") == "Available"
        and class_of(each) == class_of(claim)
        and matches(meta.labels(each))
    ]
    return min(free, key=_order, default=None)


def misfit(volume: Object, claim: Object, *, check_class: bool = True) -> str | None:
    """Why the volume cannot be the claim's, in Kubernetes' words."""
    wanted = quantity.parse(meta.get(claim, "spec", "resources", "requests", "storage"))
    if size(volume) < wanted:
        return "requested PV is too small"
    if check_class and class_of(volume) != class_of(claim):
        return "storageClassName does not match"
    if _mode(volume) != _mode(claim):
        return "incompatible volumeMode"
    if not set(claim["spec"].get("accessModes") or ()) <= set(volume["spec"].get("accessModes") or ()):
        return "incompatible accessMode"
    return None


def size(volume: Object) -> Quantity:
    """How much the volume holds."""
    return quantity.parse(meta.get(volume, "spec", "capacity", "storage"))


def _mode(o: Object) -> str:
    return str(meta.get(o, "spec", "volumeMode", default="Filesystem"))


def _order(volume: Object) -> tuple[int, Quantity, str]:
    return len(volume["spec"].get("accessModes") or ()), size(volume), meta.name(volume)
