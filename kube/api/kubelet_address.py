"""Core: where a node's kubelet listens, as its Node says.

After: k8s pkg/kubelet/client/kubelet_client.go, NodeConnectionInfoGetter
"""

from __future__ import annotations

from kube.api import meta
from kube.api.meta import Object

KUBELET_PORT = 10250


def address_of(node: Object) -> str:
    """`host:port`."""
    port = meta.get(node, "status", "daemonEndpoints", "kubeletEndpoint", "Port", default=KUBELET_PORT)
    addresses = {each["type"]: each["address"] for each in meta.get(node, "status", "addresses", default=[])}
    host = addresses.get("InternalIP") or addresses.get("Hostname") or meta.name(node)
    return f"{host}:{port}"
