"""Core: the description of a Service.

After: k8s staging/src/k8s.io/kubectl/pkg/describe/describe.go, describeService.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cli.describers.text import NONE, Writer
from cli.describers.view import View
from kube.api import meta
from kube.api.meta import Object

SHOWN_MAX = 3
# What is told only of Services that have it: its title, and its field of the spec.
BEFORE_ADDRESSES = {"IP Family Policy": "ipFamilyPolicy"}
AFTER_ADDRESSES = {
    "External IPs": "externalIPs",
    "Desired LoadBalancer IP": "loadBalancerIP",
    "External Name": "externalName",
}
AFTER_PORTS = {
    "External Traffic Policy": "externalTrafficPolicy",
    "Internal Traffic Policy": "internalTrafficPolicy",
    "HealthCheck NodePort": "healthCheckNodePort",
    "LoadBalancer Source Ranges": "loadBalancerSourceRanges",
    "Traffic Distribution": "trafficDistribution",
}


def write(out: Writer, view: View) -> None:
    """A service, its addresses and its endpoints."""
    service = view.object
    spec = service.get("spec") or {}
    out.field("Name", meta.name(service))
    out.field("Namespace", meta.namespace(service))
    out.mapping("Labels", meta.labels(service), "=")
    out.annotations(service)
    out.field(
        "Selector", ",".join(f"{k}={v}" for k, v in sorted((spec.get("selector") or {}).items())) or NONE
    )
    out.field("Type", spec.get("type", ""))
    _write_known(out, spec, BEFORE_ADDRESSES)
    out.field("IP Families", ",".join(spec.get("ipFamilies") or []) or NONE)
    out.field("IP", spec.get("clusterIP", ""))
    out.field("IPs", ",".join(spec.get("clusterIPs") or []) or NONE)
    _write_known(out, spec, AFTER_ADDRESSES)
    if ingress := meta.get(service, "status", "loadBalancer", "ingress"):
        out.field("LoadBalancer Ingress", ", ".join(map(_ingress, ingress)))
    for port in spec.get("ports") or []:
        name, protocol = port.get("name") or "<unset>", port.get("protocol", "TCP")
        out.line(f"Port:\t{name}\t{port['port']}/{protocol}")
        out.field("TargetPort", f"{port.get('targetPort', port['port'])}/{protocol}")
        _write_known(out, port, {"AppProtocol": "appProtocol"})
        if port.get("nodePort"):
            out.line(f"NodePort:\t{name}\t{port['nodePort']}/{protocol}")
        out.field("Endpoints", _endpoints(port, view.related.get("endpointslices", ())))
    out.field("Session Affinity", spec.get("sessionAffinity", "None"))
    _write_known(out, spec, AFTER_PORTS)


def _write_known(out: Writer, o: Object, fields: Mapping[str, str]) -> None:
    """Those fields that the object has; several values stand in a row."""
    for title, key in fields.items():
        if value := o.get(key):
            out.field(title, ",".join(value) if isinstance(value, list) else value)


def _ingress(ingress: Object) -> str:
    if not ingress.get("ip"):
        return str(ingress.get("hostname", ""))
    return f"{ingress['ip']} ({ingress['ipMode']})" if ingress.get("ipMode") else str(ingress["ip"])


def _endpoints(port: Object, slices: Sequence[Object]) -> str:
    """The ready addresses of one port, the first few by name."""
    found = [
        f"{address}:{each.get('port')}"
        for piece in slices
        for each in piece.get("ports") or []
        if (each.get("name") or "") == (port.get("name") or "")
        for endpoint in piece.get("endpoints") or []
        if meta.get(endpoint, "conditions", "ready", default=True)
        for address in endpoint["addresses"]
    ]
    more = f" + {len(found) - SHOWN_MAX} more..." if len(found) > SHOWN_MAX else ""
    return ",".join(found[:SHOWN_MAX]) + more
