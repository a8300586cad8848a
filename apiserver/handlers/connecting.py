"""Shell: asks admission whether somebody may be connected with a node, a pod or what is behind a Service.

What it is asked about is the query as an object: PodExecOptions and the like.

After: k8s staging/src/k8s.io/apiserver/pkg/endpoints/handlers/rest.go, ConnectResource
"""

from __future__ import annotations

from apiserver.admission.chain import CONNECT
from apiserver.handlers.body import attributes
from apiserver.handlers.options import is_true
from apiserver.request import ApiRequest
from apiserver.server import Server
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
    await server.registry.admission.ask(asked, wanted(request))


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
