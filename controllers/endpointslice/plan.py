"""Core: decides how a Service's EndpointSlices come to hold exactly its pods.

Pods with the same target ports share slices. An endpoint stays in the slice in which it is; new ones go first
where something changes anyway, then into the fullest slice that has room for all of them, then into new
slices, so that few slices change and few watchers are told. A Service without any endpoint keeps one empty
slice.

Sees: a Service, the pods it selects, the zones of their nodes, its slices.  Says: Create, Update, Delete.
Invariants: nothing for a Service that selects no pods; nothing when nothing changed; no slice holds more than
ENDPOINTS_MAX; each pod stands in one slice.
Absent: IPv6, hints by `service.kubernetes.io/topology-mode: Auto`, the annotation with the time of the last
change.
After: k8s staging/src/k8s.io/endpointslice/reconciler.go
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from controllers import service_pods
from controllers.endpointslice.endpoints import endpoint, identity, slice_labels
from kube.api import meta
from kube.api.actions import Action, Create, Delete, Update
from kube.api.meta import Object
from kube.api.resources import ENDPOINT_SLICES, SERVICES

ENDPOINTS_MAX = 100

Ports = list[dict[str, Any]]
Endpoints = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Seen:
    """The Service, the pods with its labels, and the slices in its name that we manage. zones: by node."""

    service: Object
    pods: list[Object]
    slices: list[Object]
    expectations_met: bool = True
    zones: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Draft:
    """A slice as it shall be; `old` is the one it replaces, None for a new one."""

    ports: Ports
    endpoints: Endpoints = field(default_factory=list)
    old: Object | None = None

    @property
    def changed(self) -> bool:
        assert self.old is not None
        return bool((self.old.get("endpoints") or []) != self.endpoints)


def plan(seen: Seen, _: datetime) -> list[Action]:
    """What to do for one Service."""
    service = seen.service
    if not service_pods.has_pods(service) or meta.is_terminating(service) or not seen.expectations_met:
        return []
    own = [each for each in seen.slices if _is_owned(each, service) and not meta.is_terminating(each)]
    strangers = [each for each in seen.slices if not _is_owned(each, service)]
    drafts: list[Draft] = []
    groups = _groups(seen)
    for ports, endpoints in groups.values():
        drafts += _pack(ports, endpoints, [each for each in own if _key(each.get("ports")) == _key(ports)])
    unused = [each for each in own if _key(each.get("ports")) not in groups]
    unused += [draft.old for draft in drafts if draft.old is not None and not draft.endpoints]
    drafts = [draft for draft in drafts if draft.endpoints] or [Draft([])]
    _reuse(drafts, unused)
    actions = [action for draft in drafts for action in _written(draft, service)]
    return actions + [_delete(each) for each in (*unused, *strangers)]


def _groups(seen: Seen) -> dict[str, tuple[Ports, Endpoints]]:
    """The endpoints that there shall be, by the ports they have."""
    groups: dict[str, tuple[Ports, Endpoints]] = {}
    for pod in sorted(seen.pods, key=meta.name):
        if service_pods.has_address(pod):
            ports = service_pods.target_ports(seen.service, pod)
            zone = seen.zones.get(pod["spec"].get("nodeName") or "")
            groups.setdefault(_key(ports), (ports, []))[1].append(endpoint(seen.service, pod, zone))
    return groups


def _key(ports: Ports | None) -> str:
    """Ports as a text that is equal when they are, in whatever order."""
    return json.dumps(sorted(json.dumps(port, sort_keys=True) for port in ports or ()))


def _pack(ports: Ports, endpoints: Endpoints, slices: list[Object]) -> list[Draft]:
    """The endpoints spread over the slices, each where it was if it was in one."""
    left = {identity(each): each for each in endpoints}
    drafts = []
    for old in sorted(slices, key=meta.name):
        known = [identity(each) for each in old.get("endpoints") or ()]
        drafts.append(Draft(ports, [left.pop(each) for each in known if each in left], old))
    rest = list(left.values())
    for draft in sorted((each for each in drafts if each.changed), key=_emptiness):
        rest = _fill(draft, rest)
    while rest:
        roomy = [draft for draft in drafts if len(draft.endpoints) + len(rest) <= ENDPOINTS_MAX]
        if not roomy:
            roomy = [Draft(ports)]
            drafts += roomy
        rest = _fill(min(roomy, key=_emptiness), rest)
    return drafts


def _emptiness(draft: Draft) -> int:
    return -len(draft.endpoints)


def _fill(draft: Draft, endpoints: Endpoints) -> Endpoints:
    """Put in what there is room for; returns the rest."""
    room = ENDPOINTS_MAX - len(draft.endpoints)
    draft.endpoints += endpoints[:room]
    return endpoints[room:]


def _reuse(drafts: list[Draft], unused: list[Object]) -> None:
    """Rather change a slice that is no longer needed than delete it and create another."""
    for draft in drafts:
        if draft.old is None and unused:
            draft.old = unused.pop(0)


def _written(draft: Draft, service: Object) -> list[Action]:
    """Create the slice, or update it if it is not yet so."""
    wanted = {"ports": draft.ports, "endpoints": draft.endpoints}
    labels = slice_labels(service)
    if draft.old is None:
        metadata = {
            "generateName": f"{meta.name(service)}-",
            "namespace": meta.namespace(service),
            "labels": labels,
            "ownerReferences": [meta.owner_reference(service, SERVICES)],
        }
        return [Create(ENDPOINT_SLICES, {"metadata": metadata, "addressType": "IPv4", **wanted})]
    before = {part: draft.old.get(part) or [] for part in wanted}
    if before == wanted and meta.labels(draft.old) == labels:
        return []
    return [
        Update(
            ENDPOINT_SLICES, {**draft.old, "metadata": {**draft.old["metadata"], "labels": labels}, **wanted}
        )
    ]


def _delete(each: Object) -> Action:
    return Delete(ENDPOINT_SLICES, meta.namespace(each), meta.name(each), meta.uid(each))


def _is_owned(each: Object, service: Object) -> bool:
    """False for a slice of an earlier Service of the same name."""
    return any(reference.get("uid") == meta.uid(service) for reference in meta.owner_references(each))
