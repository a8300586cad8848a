"""The `proxy` of nodes, pods and Services, through a real API server to a real kubelet and to a pod."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from kubelet.server.server import KubeletServer
from tests.kubelet.conftest import TestNode
from tests.kubelet.test_exec_through_api import PODS, kubelet

__all__ = ["kubelet"]
SERVICES = "/api/v1/namespaces/default/services"


async def echo(request: web.Request) -> web.Response:
    """Says what it was asked."""
    if request.path == "/moved":
        raise web.HTTPFound("/elsewhere?x=1")
    headers = {name.lower(): request.headers[name] for name in request.headers}
    body = (await request.read()).decode()
    seen = {"method": request.method, "path": request.raw_path, "headers": headers, "body": body}
    return web.json_response(seen, status=418, headers={"X-Answer": "yes"})


async def shout(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse(protocols=["loud"])
    await socket.prepare(request)
    async for message in socket:
        await socket.send_str(message.data.upper())
    return socket


@pytest.fixture
async def port(node: TestNode, kubelet: KubeletServer) -> AsyncIterator[int]:
    """An HTTP server in pod `p`."""
    await node.create("p")
    pod = await node.wait("p", "Running")
    application = web.Application()
    application.router.add_get("/socket", shout)
    application.router.add_route("*", "/{path:.*}", echo)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, pod["status"]["podIP"], 0)
    await site.start()
    yield runner.addresses[0][1]
    await runner.cleanup()


async def test_a_pod_is_asked_as_the_client_asks(node: TestNode, port: int) -> None:
    api, path = node.api, f"{PODS}/p:{port}/proxy/a%2Fb/?q=1%202&q=3"
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        body = b"hello" if method != "GET" else None
        answer = await api(method, path, body, "text/plain", Authorization="Basic x", X_Mine="1", Cookie="c")
        assert (answer.code, answer.headers["X-Answer"]) == (418, "yes")
        seen = answer.json
        assert (seen["method"], seen["path"]) == (method, "/a%2Fb/?q=1%202&q=3")
        assert seen["body"] == ("hello" if body else "")
        headers = seen["headers"]
        assert "authorization" not in headers
        assert (headers["x-mine"], headers["cookie"], headers["x-forwarded-for"]) == ("1", "c", "127.0.0.1")
    answer = await api("HEAD", path)
    assert (answer.code, answer.body) == (418, b"")


async def test_a_path_begins_with_a_slash(node: TestNode, port: int) -> None:
    answer = await node.api("GET", f"{PODS}/p:{port}/proxy?x=1")
    assert (answer.code, answer.headers["Location"]) == (301, f"{PODS}/p:{port}/proxy/?x=1")
    assert (await node.api("GET", f"{PODS}/p:{port}/proxy/")).json["path"] == "/"


async def test_who_is_sent_elsewhere_comes_by_here(node: TestNode, port: int) -> None:
    answer = await node.api("GET", f"{PODS}/http:p:{port}/proxy/moved")
    assert answer.code == 302
    assert answer.headers["Location"] == f"{PODS}/http:p:{port}/proxy/elsewhere?x=1"


async def test_a_websocket_goes_on(node: TestNode, port: int) -> None:
    url = f"{node.api.base}{PODS}/p:{port}/proxy/socket"
    async with node.api.session.ws_connect(url, protocols=["loud"]) as socket:
        assert socket.protocol == "loud"
        await socket.send_str("hello")
        assert await socket.receive_str() == "HELLO"


async def test_a_service_is_asked_by_name_and_by_number(node: TestNode, port: int) -> None:
    api, pod = node.api, await node.get("p")
    ports = [{"name": "web", "port": 80, "targetPort": port}, {"name": "other", "port": 81}]
    await api.ok("POST", SERVICES, {"metadata": {"name": "s"}, "spec": {"ports": ports}})
    text = 'no endpoints available for service "s"'
    endpoints = "/api/v1/namespaces/default/endpoints"
    assert await refusal(node, "s:web") == (404, 'endpoints "s" not found')
    await api.ok("POST", endpoints, {"metadata": {"name": "s"}})
    assert await refusal(node, "s:web") == (503, text)
    subsets = [{"addresses": [{"ip": pod["status"]["podIP"]}], "ports": [{"name": "web", "port": port}]}]
    await api.ok("PUT", f"{endpoints}/s", {"metadata": {"name": "s"}, "subsets": subsets})
    for name in ("s:web", "s:80", "http:s:web"):
        answer = await api("GET", f"{SERVICES}/{name}/proxy/x")
        assert (answer.code, answer.json["path"]) == (418, "/x")
    assert await refusal(node, "s") == (503, text)
    assert await refusal(node, "s:81") == (503, text.replace('"s"', '"s:81"'))
    assert await refusal(node, "s:9") == (503, 'no service port 9 found for service "s"')
    assert await refusal(node, "t:9") == (404, 'services "t" not found')
    assert await refusal(node, "x:s:9:9") == (400, 'invalid service request "x:s:9:9"')


async def refusal(node: TestNode, name: str) -> tuple[int, str]:
    answer = await node.api("GET", f"{SERVICES}/{name}/proxy/x")
    return answer.code, answer.json["message"]


async def test_a_kubelet_is_asked_with_our_certificate(node: TestNode, port: int) -> None:
    api = node.api
    answer = await api("GET", "/api/v1/nodes/n1/proxy/pods")
    assert (answer.code, answer.json["kind"]) == (200, "PodList")
    assert (await api("GET", "/api/v1/nodes/n1/proxy/healthz")).body == b"ok"
    assert (await api("GET", "/api/v1/nodes/n1/proxy/no/such")).code == 404
    answer = await api("GET", "/api/v1/nodes/n2/proxy/healthz")
    assert (answer.code, answer.json["message"]) == (404, 'nodes "n2" not found')


async def test_nobody_answers(node: TestNode, port: int) -> None:
    pod: Any = await node.get("p")
    answer = await node.api("GET", f"{PODS}/p:9/proxy/")
    ip = pod["status"]["podIP"]
    text = f"error trying to reach service: dial tcp {ip}:9: connect: connection refused"
    assert (answer.code, answer.json["message"]) == (503, text)
    await node.create("nowhere", nodeName="")
    answer = await node.api("GET", f"{PODS}/nowhere/proxy/")
    assert (answer.code, answer.json["message"]) == (400, "address not allowed")


async def test_it_needs_the_right_to_proxy(node: TestNode, port: int) -> None:
    answer = await node.api("POST", "/api/v1/nodes/n1/proxy/run", Impersonate_User="jane")
    text = (
        'nodes "n1" is forbidden: User "jane" cannot create resource "nodes/proxy" '
        'in API group "" at the cluster scope'
    )
    assert (answer.code, answer.json["message"]) == (403, text)
