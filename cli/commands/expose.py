"""Shell: `kl expose`: makes a Service for the pods behind a workload, a pod or another Service."""

from __future__ import annotations

import click

from cli import targets
from cli.errors import CliError
from cli.output import qualified_name
from cli.session import namespace_option, session
from kube.api import meta
from kube.api.meta import Object
from kube.api.resources import SERVICES

TYPES = ("ClusterIP", "NodePort", "LoadBalancer")


@click.command("expose")
@click.argument("words", nargs=-1, required=True)
@click.option("--port", type=int, help="The Service's port.  [default: the containers' ports]")
@click.option("--target-port", help="The pods' port or its name.  [default: the Service's]")
@click.option("--protocol", default="TCP", help="TCP, UDP or SCTP.")
@click.option("--type", "kind", type=click.Choice(TYPES), help="The kind of Service.")
@click.option("--name", "service_name", help="The Service's name.  [default: the object's]")
@namespace_option
@click.pass_context
def command(
    context: click.Context,
    words: tuple[str, ...],
    port: int | None,
    target_port: str | None,
    protocol: str,
    kind: str | None,
    service_name: str | None,
    namespace: str | None,
) -> None:
    """Make a Service: `kl expose deploy nginx --port=80 --type=NodePort`."""
    wanted = targets.named(words)
    at = session(context, namespace)
    for resource, name in wanted:
        place = at.namespace_of(resource)
        o = at.api.get(resource, place, name)
        ports = [(port, protocol)] if port else _ports(o)
        if not ports:
            raise CliError("couldn't find port via --port flag or introspection")
        spec: Object = {"selector": _selector(o), "ports": [_port(*each, target_port) for each in ports]}
        if len(ports) > 1:
            spec["ports"] = [{**each, "name": f"port-{i}"} for i, each in enumerate(spec["ports"], 1)]
        if kind:
            spec["type"] = kind
        made: Object = {"name": service_name or name, "labels": meta.labels(o)}
        service = {"apiVersion": "v1", "kind": "Service", "metadata": made, "spec": spec}
        at.api.create(SERVICES, place, service)
        click.echo(f"{qualified_name(SERVICES, service_name or name)} exposed")


def _port(port: int, protocol: str, target: str | None) -> Object:
    return {"port": port, "protocol": protocol, "targetPort": _number(target) if target else port}


def _number(text: str) -> int | str:
    return int(text) if text.isdecimal() else text


def _selector(o: Object) -> dict[str, str]:
    """The labels of the pods behind an object."""
    selector = meta.get(o, "spec", "selector")
    if isinstance(selector, dict) and "matchExpressions" in selector:
        raise CliError("couldn't convert expressions of the selector to a Service's")
    labels = selector.get("matchLabels", selector) if isinstance(selector, dict) else None
    if o["kind"] == "Pod":
        labels = meta.labels(o)
    if not labels:
        raise CliError(f"couldn't retrieve selectors via --selector flag or introspection: {meta.name(o)}")
    return dict(labels)


def _ports(o: Object) -> list[tuple[int, str]]:
    """The ports of a Service, or those of an object's containers."""
    if o["kind"] == "Service":
        return [
            (each["port"], each.get("protocol", "TCP")) for each in meta.get(o, "spec", "ports", default=())
        ]
    template = o if o["kind"] == "Pod" else meta.get(o, "spec", "template", default={})
    containers = meta.get(template, "spec", "containers", default=())
    return [
        (port["containerPort"], port.get("protocol", "TCP"))
        for container in containers
        for port in container.get("ports") or ()
    ]
