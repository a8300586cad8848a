"""Core: which describer a resource has, and what else it needs to see."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from cli.describers import events, generic, node, pod, service, workload
from cli.describers.text import Writer
from cli.describers.view import View
from kube.api import meta
from kube.api.labels import Selector
from kube.api.meta import Object
from kube.api.resources import (
    DEPLOYMENTS,
    ENDPOINT_SLICES,
    NODES,
    PODS,
    REPLICA_SETS,
    SERVICES,
    Resource,
)


@dataclass(frozen=True, slots=True)
class Related:
    """Objects a describer needs besides its own: those of a resource that a selector finds."""

    resource: Resource
    labels: Callable[[Object], str] = lambda _: ""
    fields: Callable[[Object], str] = lambda _: ""
    everywhere: bool = False


@dataclass(frozen=True, slots=True)
class Describer:
    """How one kind is described."""

    write: Callable[[Writer, View], None]
    related: Related | None = None


def _own_selector(o: Object) -> str:
    return str(Selector.from_label_selector(meta.get(o, "spec", "selector")))


DESCRIBERS: Mapping[Resource, Describer] = {
    PODS: Describer(pod.write),
    DEPLOYMENTS: Describer(workload.write_deployment, Related(REPLICA_SETS, labels=_own_selector)),
    REPLICA_SETS: Describer(workload.write_replica_set, Related(PODS, labels=_own_selector)),
    NODES: Describer(
        node.write, Related(PODS, fields=lambda o: f"spec.nodeName={meta.name(o)}", everywhere=True)
    ),
    SERVICES: Describer(
        service.write,
        Related(ENDPOINT_SLICES, labels=lambda o: f"kubernetes.io/service-name={meta.name(o)}"),
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
