"""Shell: asks admission whether somebody may be connected with a node, a pod or what is behind a Service.

What it is asked about is the query as an object: PodExecOptions and the like. What webhooks change in it is
done instead, but for the path of a proxy.

After: k8s staging/src/k8s.io/apiserver/pkg/endpoints/handlers/rest.go, ConnectResource
"""

from __future__ import annotations

from apiserver.admission.chain import CONNECT
from apiserver.handlers.body import attributes
from apiserver.handlers.options import is_true
from apiserver.request import ApiRequest
from apiserver.server import Server
from kube.api import meta
from kube.api.meta import Object

KINDS = {
    ("pods", "exec"): "PodExecOptions",
    ("pods", "attach"): "PodAttachOptions",
    ("pods", "portforward"): "PodPortForwardOptions",
    ("pods", "proxy"): "PodProxyOptions",
    ("services", "proxy"): "ServiceProxyOptions",
    ("nodes", "proxy"): "NodeProxyOptions",
}
STREAMS = ("stdin", "stdout", "stderr", "tty")


async def ask_to_connect(server: Server, request: ApiRequest) -> None:
    """Let the plug-ins see what is wanted; StatusError if one refuses."""
    asked = attributes(request, CONNECT, dry_run=False)
    o = wanted(request)
    sent = meta.deep_copy(o)
    await server.registry.admission.ask(asked, o)
    if o != sent and request.info.subresource != "proxy":
        request.replace_query(_pairs(o))


def wanted(request: ApiRequest) -> Object:
    """The query as the object it stands for."""
    query = request.query_params
    kind = KINDS[request.kind.plural, request.info.subresource]
    o: Object = {"apiVersion": "v1", "kind": kind, "metadata": {}}
    if kind in ("PodExecOptions", "PodAttachOptions"):
        o |= {name: True for name in STREAMS if is_true(query.get(name, ""))}
        if container := query.get("container"):
            o["container"] = container
        if command := query.getlist("command"):
            o["command"] = command
    elif kind == "PodPortForwardOptions":
        o["ports"] = [int(each) for each in query.getlist("ports") if each.isdecimal()]
    else:
        o["path"] = request.info.path.partition(f"/{request.info.name}/proxy")[2]
    return o


def _pairs(o: Object) -> list[tuple[str, str]]:
    """The query that an object stands for."""
    pairs = [(name, "true") for name in STREAMS if o.get(name)]
    pairs += [("container", o["container"])] if o.get("container") else []
    return pairs + [(name, str(each)) for name in ("command", "ports") for each in o.get(name) or ()]
