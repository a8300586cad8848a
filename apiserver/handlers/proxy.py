"""Shell: the `proxy` of nodes, pods and Services: an HTTP request goes on to them, their answer comes back.

    client --request, as it comes--> API server --> kubelet, with our certificate; or the pod's address
           <-------answer, as it comes--------

After: k8s pkg/registry/core/{node,pod,service}/rest (ProxyREST.Connect),
staging/src/k8s.io/apimachinery/pkg/util/proxy/upgradeaware.go
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp
from starlette.requests import ClientDisconnect
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.websockets import WebSocket
from yarl import URL

from apiserver.handlers.connecting import ask_to_connect
from apiserver.handlers.pod_log import kubelet_address
from apiserver.handlers.proxy_target import (
    Reference,
    forwarded,
    pod_address,
    port_name,
    returned,
    service_address,
    split_path,
)
from apiserver.handlers.relay import Upgrade
from apiserver.http_protocol import MESSAGE_BYTES_MAX, OFFERED_PROTOCOLS, TOKEN_PROTOCOL
from apiserver.request import ApiRequest
from apiserver.server import Server
from kube.api import errors
from kube.api.errors import StatusError
from kube.api.meta import Object
from kube.api.resources import ENDPOINTS, PODS, SERVICES, Resource
from kube.base import low_ports


@dataclass(frozen=True, slots=True)
class _Target:
    """The other side: who may be asked by which session."""

    session: aiohttp.ClientSession
    scheme: str
    host: str


async def proxy_node(server: Server, request: ApiRequest) -> Response:
    """Ask a node's kubelet, or another port of the node."""
    await ask_to_connect(server, request)
    await server.cache.consistent()
    reference = Reference.parse("node", request.info.name)
    address = kubelet_address(server, reference.name)
    if reference.port and reference.port != address.rpartition(":")[2]:
        host = f"{address.rpartition(':')[0]}:{reference.port}"
        return await _pass_on(request, _Target(server.backends, reference.scheme or "http", host))
    return await _pass_on(request, _Target(server.kubelets, "https", address))


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
    target = _Target(server.backends, reference.scheme or "http", f"{host}:{low_ports.bindable(port)}")
    return await _pass_on(request, target)


async def _pass_on(request: ApiRequest, target: _Target) -> Response:
    prefix, path = split_path(request.scope["raw_path"].decode("latin-1"))
    query = request.scope["query_string"].decode("latin-1")
    url = URL(f"{target.scheme}://{target.host}{path}{'?' * bool(query)}{query}", encoded=True)
    if "sec-websocket-key" in request.headers:
        return await _join(request, target, url)
    if not path:
        return RedirectResponse(f"{prefix}/{'?' * bool(query)}{query}", 301)
    answer = await _answer(request, target, url)
    response = StreamingResponse(_chunks(answer), answer.status)
    response.raw_headers = returned(answer.raw_headers, prefix, target.host)
    return response


async def _answer(request: ApiRequest, target: _Target, url: URL) -> aiohttp.ClientResponse:
    has_body = "transfer-encoding" in request.headers or int(request.headers.get("content-length") or 0) > 0
    try:
        return await target.session.request(
            request.method,
            url,
            headers=_headers(request),
            data=request.stream() if has_body else None,
            allow_redirects=False,
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
        )
    except ClientDisconnect:
        raise
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise _unreachable(target, error) from error


def _headers(request: ApiRequest) -> list[tuple[str, str]]:
    client = request.client.host if request.client else ""
    return forwarded(request.headers.raw, client, request.scope["path"], request.headers.get("host", ""))


def _unreachable(target: _Target, error: Exception) -> StatusError:
    why = str(error)
    if isinstance(error, OSError) and error.errno:
        why = f"dial tcp {target.host}: connect: {os.strerror(error.errno).lower()}"
    return errors.service_unavailable(f"error trying to reach service: {why}")


async def _chunks(answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    try:
        async for chunk in answer.content.iter_any():
            yield chunk
    finally:
        answer.close()


async def _join(request: ApiRequest, target: _Target, url: URL) -> Response:
    """A WebSocket goes on as one, whatever is spoken in it."""
    words = request.headers.get(OFFERED_PROTOCOLS.decode(), "").replace(" ", "").split(",")
    offered = [each for each in words if each and not each.startswith(TOKEN_PROTOCOL)]
    headers = [each for each in _headers(request) if each[0].encode() != OFFERED_PROTOCOLS]
    try:
        upstream = await target.session.ws_connect(
            url,
            protocols=offered,
            headers=headers,
            max_msg_size=MESSAGE_BYTES_MAX,
        )
    except aiohttp.WSServerHandshakeError as error:
        raise errors.StatusError(
            error.status, "InternalError", f"unable to upgrade: {error.message}"
        ) from error
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise _unreachable(target, error) from error

    async def relay(client: WebSocket) -> None:
        await client.accept(subprotocol=upstream.protocol)
        await _copy(client, upstream)

    return Upgrade(relay)


async def _copy(client: WebSocket, upstream: aiohttp.ClientWebSocketResponse) -> None:
    async def up() -> None:
        while (message := await client.receive())["type"] != "websocket.disconnect":
            if message.get("text") is not None:
                await upstream.send_str(message["text"])
            else:
                await upstream.send_bytes(message.get("bytes") or b"")

    async def down() -> None:
        async for message in upstream:
            if message.type is aiohttp.WSMsgType.TEXT:
                await client.send_text(message.data)
            elif message.type is aiohttp.WSMsgType.BINARY:
                await client.send_bytes(message.data)
        await client.close(upstream.close_code or 1000)

    tasks = [asyncio.ensure_future(up()), asyncio.ensure_future(down())]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in tasks:
            each.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await upstream.close()
