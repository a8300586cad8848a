"""Core: the description of a Service.

After: k8s staging/src/k8s.io/kubectl/pkg/describe/describe.go, describeService.
"""

from __future__ import annotations

from collections.abc import Sequence

from cli.describers.text import NONE, Writer
from cli.describers.view import View
from kube.api import meta
from kube.api.meta import Object

SHOWN_MAX = 3


def write(out: Writer, view: View) -> None:
    """A service, its addresses and its endpoints."""
    service = view.object
    spec = service.get("spec") or {}
    out.field("Name", meta.name(service))
    out.field("Namespace", meta.namespace(service))
    out.mapping("Labels", meta.labels(service), "=")
    out.mapping("Annotations", meta.annotations(service), ": ")
    out.field(
        "Selector", ",".join(f"{k}={v}" for k, v in sorted((spec.get("selector") or {}).items())) or NONE
    )
    out.field("Type", spec.get("type", ""))
    out.field("IP Family Policy", spec.get("ipFamilyPolicy", NONE))
    out.field("IP Families", ",".join(spec.get("ipFamilies") or []) or NONE)
    out.field("IP", spec.get("clusterIP", ""))
    out.field("IPs", ",".join(spec.get("clusterIPs") or []) or NONE)
    for port in spec.get("ports") or []:
        name = port.get("name") or "<unset>"
        out.line(f"Port:\t{name}\t{port['port']}/{port.get('protocol', 'TCP')}")
        out.field("TargetPort", f"{port.get('targetPort', port['port'])}/{port.get('protocol', 'TCP')}")
        if port.get("nodePort"):
            out.line(f"NodePort:\t{name}\t{port['nodePort']}/{port.get('protocol', 'TCP')}")
        out.field("Endpoints", _endpoints(port, view.related.get("endpointslices", ())))
    out.field("Session Affinity", spec.get("sessionAffinity", "None"))
    if spec.get("internalTrafficPolicy"):
        out.field("Internal Traffic Policy", spec["internalTrafficPolicy"])


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
