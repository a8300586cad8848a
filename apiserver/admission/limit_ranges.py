"""Core: what a LimitRange says of an object: what its containers get, and what is too much or too little.

    Container: each container, with what it was given;  Pod: all together;  PersistentVolumeClaim: its storage

After: k8s plugin/pkg/admission/limitranger/admission.go, PodMutateLimitFunc, PodValidateLimitFunc,
PersistentVolumeClaimValidateLimitFunc.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from kube.api import meta, quantity
from kube.api.meta import Object
from kube.api.quantity import Quantity

ANNOTATION = "kubernetes.io/limit-ranger"
CONTAINER, POD, CLAIM = "Container", "Pod", "PersistentVolumeClaim"

Amounts = Mapping[str, Quantity]


def give(limit_range: Object, pod: Object) -> None:
    """Fill in what its containers do not say, and note that in an annotation."""
    requests, limits = _defaults(limit_range)
    notes: list[str] = []
    for kind, field in (("container", "containers"), ("init container", "initContainers")):
        for container in pod["spec"].get(field) or ():
            for word, amounts in (("request", requests), ("limit", limits)):
                if new := _fill(container, f"{word}s", amounts):
                    notes.append(f"{', '.join(sorted(new))} {word} for {kind} {container['name']}")
    if notes:
        annotations = pod["metadata"].setdefault("annotations", {})
        annotations[ANNOTATION] = f"LimitRanger plugin set: {'; '.join(notes)}"


def _defaults(limit_range: Object) -> tuple[dict[str, str], dict[str, str]]:
    requests: dict[str, str] = {}
    limits: dict[str, str] = {}
    for limit in _limits(limit_range, CONTAINER):
        requests |= limit.get("defaultRequest") or {}
        limits |= limit.get("default") or {}
    return requests, limits


def _fill(container: Any, field: str, amounts: Mapping[str, str]) -> list[str]:
    resources = container.setdefault("resources", {})
    said = resources.get(field) or {}
    new = [name for name in amounts if name not in said]
    if new:
        resources[field] = {**said, **{name: amounts[name] for name in new}}
    return new


def pod_faults(limit_range: Object, o: Object) -> list[str]:
    """What is wrong with a pod, in Kubernetes' words."""
    spec = o["spec"]
    containers, inits = spec["containers"], spec.get("initContainers") or []
    faults = [
        fault
        for limit in _limits(limit_range, CONTAINER)
        for each in (*containers, *inits)
        for fault in _faults(CONTAINER, limit, _amounts(each, "requests"), _amounts(each, "limits"))
    ]
    requests, limits = (_together(containers, inits, field) for field in ("requests", "limits"))
    for limit in _limits(limit_range, POD):
        faults += _faults(POD, limit, requests, limits)
    return faults


def claim_faults(limit_range: Object, o: Object) -> list[str]:
    """The same for a claim of a volume, which only has requests."""
    requests = _amounts(o["spec"], "requests")
    return [
        fault
        for limit in _limits(limit_range, CLAIM)
        for fault in (
            *_too_little(CLAIM, limit.get("min"), requests, {}),
            *_asks_too_much(CLAIM, limit.get("max"), requests),
        )
    ]


def _limits(limit_range: Object, kind: str) -> Iterator[Any]:
    return (each for each in limit_range["spec"].get("limits") or () if each["type"] == kind)


def _amounts(o: Any, field: str) -> dict[str, Quantity]:
    said = meta.get(o, "resources", field, default={})
    return {name: quantity.parse(text) for name, text in said.items()}


def _together(containers: Iterable[Any], inits: Iterable[Any], field: str) -> dict[str, Quantity]:
    """What all containers say together; a resource about which one says nothing is not said."""
    said = [_amounts(each, field) for each in containers]
    names = set.intersection(*(set(each) for each in said)) if said else set()
    total = {name: sum((each[name] for each in said[1:]), said[0][name]) for name in names}
    for each in inits:
        for name, amount in _amounts(each, field).items():
            if name not in total or amount > total[name]:
                total[name] = amount
    return total


def _faults(kind: str, limit: Any, requests: Amounts, limits: Amounts) -> Iterator[str]:
    yield from _too_little(kind, limit.get("min"), requests, limits)
    yield from _too_much(kind, limit.get("max"), requests, limits)
    yield from _out_of_proportion(kind, limit.get("maxLimitRequestRatio"), requests, limits)


def _bounds(texts: Mapping[str, str] | None) -> Iterator[tuple[str, Quantity]]:
    return ((name, quantity.parse(texts[name])) for name in sorted(texts or {}) if texts)


def _too_little(
    kind: str, least: Mapping[str, str] | None, requests: Amounts, limits: Amounts
) -> Iterator[str]:
    for name, bound in _bounds(least):
        rule = f"minimum {name} usage per {kind} is {bound}"
        request, limit = requests.get(name), limits.get(name)
        if request is None:
            yield f"{rule}.  No request is specified"
        elif request < bound:
            yield f"{rule}, but request is {request}"
        elif limit is not None and limit < bound:
            yield f"{rule}, but limit is {limit}"


def _too_much(kind: str, most: Mapping[str, str] | None, requests: Amounts, limits: Amounts) -> Iterator[str]:
    for name, bound in _bounds(most):
        rule = f"maximum {name} usage per {kind} is {bound}"
        request, limit = requests.get(name), limits.get(name)
        if limit is None:
            yield f"{rule}.  No limit is specified"
        elif limit > bound:
            yield f"{rule}, but limit is {limit}"
        elif request is not None and request > bound:
            yield f"{rule}, but request is {request}"


def _asks_too_much(kind: str, most: Mapping[str, str] | None, requests: Amounts) -> Iterator[str]:
    for name, bound in _bounds(most):
        rule = f"maximum {name} usage per {kind} is {bound}"
        request = requests.get(name)
        if request is None:
            yield f"{rule}.  No request is specified"
        elif request > bound:
            yield f"{rule}, but request is {request}"


def _out_of_proportion(
    kind: str, ratios: Mapping[str, str] | None, requests: Amounts, limits: Amounts
) -> Iterator[str]:
    for name, most in _bounds(ratios):
        rule = f"{name} max limit to request ratio per {kind} is {most}, but"
        request, limit = requests.get(name), limits.get(name)
        if not request:
            yield f"{rule} no request is specified or request is 0"
        elif not limit:
            yield f"{rule} no limit is specified or limit is 0"
        elif limit.amount / request.amount > most.amount:
            yield f"{rule} provided ratio is {float(limit.amount / request.amount):f}"
