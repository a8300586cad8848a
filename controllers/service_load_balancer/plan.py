"""Core: decides how a Service of type LoadBalancer gets its address, and how it gives it back.

    wanted        finalizer + address, in one write of the status; what it cannot have is told in an Event
    not wanted    the same the other way round: its type changed, it has a class now, or it is being deleted

Sees: a Service; what it may have (addresses.py), None when that is nothing from here; what its status has
that is not from here.
Says: Patch of the status, EmitEvent.
Invariants: a patch names the resourceVersion that was decided on, so nothing newer is undone; what others
wrote into the status, such as conditions, stays.
Absent: nodes; where an address answers is the proxy's business.

After: k8s staging/src/k8s.io/cloud-provider/controllers/service/controller.go, syncLoadBalancerIfNeeded,
needsCleanup. There the finalizer and the status are two writes, and a manager that starts tells of every
Service again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from controllers.service_load_balancer.addresses import Answer, entries_of
from kube.api import meta
from kube.api.actions import Action, EmitEvent, Patch
from kube.api.meta import Object
from kube.api.resources import SERVICES

FINALIZER = "service.kubernetes.io/load-balancer-cleanup"


@dataclass(frozen=True, slots=True)
class Seen:
    """A Service, what it may have, and what its status has from others."""

    service: Object
    answer: Answer | None
    others: Sequence[Any]


def plan(seen: Seen, _now: datetime) -> list[Action]:
    """Bring the Service to what it may have."""
    if seen.answer is None:
        return _release(seen)
    return _ensure(seen.service, seen.answer)


def _ensure(service: Object, answer: Answer) -> list[Action]:
    held, ingress = meta.finalizers(service), entries_of(service)
    wanted = [] if answer.address is None else [{"ip": answer.address, "ipMode": "VIP"}]
    has_address = [{field: each.get(field) for field in ("ip", "ipMode")} for each in ingress] == wanted
    is_done = has_address and FINALIZER in held
    if is_done and not answer.problem:
        return []
    actions: list[Action] = [EmitEvent(service, "Normal", "EnsuringLoadBalancer", "Ensuring load balancer")]
    if not is_done:
        finalizers = held if FINALIZER in held else [*held, FINALIZER]
        actions.append(_patch(service, finalizers, ingress if has_address else wanted))
    if answer.problem:
        text = f"Error syncing load balancer: failed to ensure load balancer: {answer.problem}"
        return [*actions, EmitEvent(service, "Warning", "SyncLoadBalancerFailed", text)]
    return [*actions, EmitEvent(service, "Normal", "EnsuredLoadBalancer", "Ensured load balancer")]


def _release(seen: Seen) -> list[Action]:
    """Take back what came from here; what another's load balancer says of a Service with a class stays."""
    service, held = seen.service, meta.finalizers(seen.service)
    has_ours = len(seen.others) < len(entries_of(service))
    has_type = meta.get(service, "spec", "type") == "LoadBalancer"
    if meta.is_terminating(service):
        is_due = FINALIZER in held
    else:
        # Who serves a class may use the same finalizer.
        is_due = has_ours or (FINALIZER in held and not has_type)
    if not is_due:
        return []
    finalizers = [each for each in held if each != FINALIZER]
    # A Service of another type may have no address at all.
    patch = _patch(service, finalizers, seen.others if has_type else [])
    deleting = EmitEvent(service, "Normal", "DeletingLoadBalancer", "Deleting load balancer")
    deleted = EmitEvent(service, "Normal", "DeletedLoadBalancer", "Deleted load balancer")
    return [deleting, patch, deleted] if has_ours else [patch, deleted]


def _patch(service: Object, finalizers: list[str], ingress: Sequence[Any]) -> Patch:
    metadata = {"resourceVersion": meta.resource_version(service), "finalizers": finalizers}
    status = {"loadBalancer": {"ingress": [*ingress] or None}}
    patch = {"metadata": metadata, "status": status}
    namespace, name = meta.namespace(service), meta.name(service)
    return Patch(SERVICES, namespace, name, patch, subresource="status")
