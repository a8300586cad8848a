"""Shell: GET /pods/X/log: finds the container's kubelet and passes its answer on as it comes.

After: k8s pkg/registry/core/pod/strategy.go, LogLocation
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
from starlette.responses import Response, StreamingResponse

from apiserver.handlers.get import find
from apiserver.request import ApiRequest
from apiserver.server import Server
from kube.api import errors, meta
from kube.api.meta import Object
from kube.api.resources import NODES

OPTIONS = (
    "follow",
    "previous",
    "sinceSeconds",
    "sinceTime",
    "timestamps",
    "tailLines",
    "limitBytes",
    "stream",
)
KUBELET_PORT = 10250


async def log(server: Server, request: ApiRequest) -> Response:
    """Answer with what the container wrote."""
    pod = (await find(server, request)).decode()
    container = chosen_container(pod, request.parameter("container"))
    node = meta.get(pod, "spec", "nodeName", default="")
    if not node:
        return Response(b"", media_type="text/plain")
    path = f"/containerLogs/{meta.namespace(pod)}/{meta.name(pod)}/{container}"
    query = [(name, value) for name, value in request.query_params.multi_items() if name in OPTIONS]
    address = kubelet_address(server, node)
    try:
        answer = await server.kubelets.get(f"https://{address}{path}", params=query)
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise errors.internal(f'Get "https://{address}{path}": {error}') from error
    if answer.status != 200:
        text = (await answer.text()).strip()
        answer.release()
        raise errors.StatusError(answer.status, _reason(answer.status), text or answer.reason or "no answer")
    return StreamingResponse(_chunks(answer), media_type="text/plain")


def _reason(code: int) -> str:
    return {400: "BadRequest", 403: "Forbidden", 404: "NotFound"}.get(code, "InternalError")


async def _chunks(answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    try:
        async for chunk in answer.content.iter_any():
            yield chunk
    finally:
        answer.close()


def chosen_container(pod: Object, wanted: str) -> str:
    """The container meant; StatusError 400 where it is not said or not there."""
    spec, name = pod["spec"], meta.name(pod)
    fields = ("containers", "initContainers", "ephemeralContainers")
    names = [each["name"] for field in fields for each in spec.get(field) or []]
    if wanted:
        if wanted not in names:
            raise errors.bad_request(f"container {wanted} is not valid for pod {name}")
        return wanted
    containers = [each["name"] for each in spec.get("containers") or []]
    if len(containers) == 1:
        return str(containers[0])
    default = meta.annotations(pod).get("kubectl.kubernetes.io/default-container")
    if default in names:
        return str(default)
    text = f"a container name must be specified for pod {name}, choose one of: [{' '.join(containers)}]"
    raise errors.bad_request(text)


def kubelet_address(server: Server, name: str) -> str:
    """Where the node's kubelet listens."""
    entry = server.cache.get(NODES, "", name)
    if entry is None:
        raise errors.not_found(NODES, name)
    node = entry.decode()
    port = meta.get(node, "status", "daemonEndpoints", "kubeletEndpoint", "Port", default=KUBELET_PORT)
    addresses = {each["type"]: each["address"] for each in meta.get(node, "status", "addresses", default=[])}
    host = addresses.get("InternalIP") or addresses.get("Hostname") or name
    return f"{host}:{port}"
