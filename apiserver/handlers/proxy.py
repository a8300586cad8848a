"""Shell: the `proxy` of nodes, pods and Services: an HTTP request goes on to them, their answer comes back.

    client --request, as it comes--> API server --> kubelet, with our certificate; or the pod's address
           <-------answer, as it comes--------

After: k8s pkg/registry/core/{node,pod,service}/rest (ProxyREST.Connect)
"""

from __future__ import annotations

from starlette.responses import RedirectResponse, Response, StreamingResponse

from apiserver.handlers.connecting import ask_to_connect
from apiserver.handlers.forward import (
    Target,
    Unreachable,
    chunks,
    forward,
    is_socket,
    join_socket,
    own_headers,
)
from apiserver.handlers.pod_log import kubelet_address
from apiserver.handlers.proxy_target import (
    Reference,
    pod_address,
    port_name,
    port_number,
    returned,
    service_address,
    split_path,
)
from apiserver.request import ApiRequest
from apiserver.server import Server
from kube.api import errors
from kube.api.meta import Object
from kube.api.resources import ENDPOINTS, PODS, SERVICES, Resource
from kube.base import low_ports


async def proxy_node(server: Server, request: ApiRequest) -> Response:
    """Ask a node's kubelet, or another port of the node."""
    await ask_to_connect(server, request)
    await server.cache.consistent()
    reference = Reference.parse("node", request.info.name)
    address = kubelet_address(server, reference.name)
    if reference.port and reference.port != address.rpartition(":")[2]:
        host = f"{address.rpartition(':')[0]}:{port_number(reference.port)}"
        return await _pass_on(request, Target(server.backends, reference.scheme or "http", host))
    return await _pass_on(request, Target(server.kubelets, "https", address))


async def proxy_pod(server: Server, request: ApiRequest) -> Response:
    """Ask a port of a pod."""
    await ask_to_connect(server, request)
    await server.cache.consistent()
    reference = Reference.parse("pod", request.info.name)
    pod = _found(server, request, PODS, reference.name)
    return await _ask(server, request, reference, pod_address(pod, reference))


async def proxy_service(server: Server, request: ApiRequest) -> Response:
    """Ask one of the pods behind a Service."""
    await ask_to_connect(server, request)
    await server.cache.consistent()
    reference = Reference.parse("service", request.info.name)
    port = reference.port
    if port.isdecimal():
        port = port_name(_found(server, request, SERVICES, reference.name), reference)
    endpoints = _found(server, request, ENDPOINTS, reference.name)
    pick = server.chance.choice
    address = service_address(endpoints, reference.name, port, request.info.name, pick)
    return await _ask(server, request, reference, address)


def _found(server: Server, request: ApiRequest, resource: Resource, name: str) -> Object:
    entry = server.cache.get(resource, request.info.namespace, name)
    if entry is None:
        raise errors.not_found(resource, name)
    return entry.decode()


async def _ask(
    server: Server, request: ApiRequest, reference: Reference, address: tuple[str, int]
) -> Response:
    ip, port = address
    host = f"[{ip}]" if ":" in ip else ip
    target = Target(server.backends, reference.scheme or "http", f"{host}:{low_ports.bindable(port)}")
    return await _pass_on(request, target)


async def _pass_on(request: ApiRequest, target: Target) -> Response:
    prefix, path = split_path(request.scope["raw_path"].decode("latin-1"))
    query = request.scope["query_string"].decode("latin-1")
    url, headers = target.url(f"{path}{'?' * bool(query)}{query}"), own_headers(request)
    try:
        if is_socket(request):
            return await join_socket(request, target, url, headers)
        if not path:
            return RedirectResponse(f"{prefix}/{'?' * bool(query)}{query}", 301)
        answer = await forward(request, target, url, headers)
    except Unreachable as error:
        raise errors.service_unavailable(f"error trying to reach service: {error}") from error
    response = StreamingResponse(chunks(answer), answer.status)
    response.raw_headers = returned(answer.raw_headers, prefix, target.host)
    return response
