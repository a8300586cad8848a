"""Core: which describer a resource has, and what else it needs to see."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from cli.describers import events, generic, node, pod, service, workload
from cli.describers.text import Writer
from cli.describers.view import View
from kube.api import meta
from kube.api.endpoint_slices import SERVICE_NAME
from kube.api.labels import Selector
from kube.api.meta import Object
from kube.api.resources import (
    DEPLOYMENTS,
    ENDPOINT_SLICES,
    LEASES,
    NODES,
    PODS,
    REPLICA_SETS,
    SERVICES,
    Resource,
)

NODE_LEASES = "kube-node-lease"


@dataclass(frozen=True, slots=True)
class Related:
    """Objects a describer needs besides its own: those of a resource that a selector finds."""

    resource: Resource
    labels: Callable[[Object], str] = lambda _: ""
    fields: Callable[[Object], str] = lambda _: ""
    namespace: Callable[[Object], str | None] = meta.namespace


@dataclass(frozen=True, slots=True)
class Describer:
    """How one kind is described."""

    write: Callable[[Writer, View], None]
    related: tuple[Related, ...] = ()


def _own_selector(o: Object) -> str:
    return str(Selector.from_label_selector(meta.get(o, "spec", "selector")))


def _own_name(o: Object) -> str:
    return f"metadata.name={meta.name(o)}"


DESCRIBERS: Mapping[Resource, Describer] = {
    PODS: Describer(pod.write),
    DEPLOYMENTS: Describer(workload.write_deployment, (Related(REPLICA_SETS, labels=_own_selector),)),
    REPLICA_SETS: Describer(workload.write_replica_set, (Related(PODS, labels=_own_selector),)),
    NODES: Describer(
        node.write,
        (
            Related(PODS, fields=lambda o: f"spec.nodeName={meta.name(o)}", namespace=lambda _: None),
            Related(LEASES, fields=_own_name, namespace=lambda _: NODE_LEASES),
        ),
    ),
    SERVICES: Describer(
        service.write,
        (Related(ENDPOINT_SLICES, labels=lambda o: f"{SERVICE_NAME}={meta.name(o)}"),),
    ),
}
GENERIC = Describer(generic.write)


def describer(resource: Resource) -> Describer:
    """The resource's own describer, or the one for every other kind."""
    return DESCRIBERS.get(resource, GENERIC)


def describe(resource: Resource, view: View) -> str:
    """The whole description, events at the end."""
    out = Writer()
    describer(resource).write(out, view)
    events.write(out, view.events, view.now)
    return out.text()
