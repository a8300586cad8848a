"""exec and attach from a client through the API server to a kubelet, all real, in one process."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from prometheus_client import CollectorRegistry

from kube.base import tls
from kube.base.clock import SystemClock
from kubelet.server.gate import Gate
from kubelet.server.served import Served
from kubelet.server.server import KubeletServer
from tests.kubelet.conftest import TestNode
from tests.kubelet.test_server import ALL, SUCCESS, Command, Port, command
from tests.support.api_server import Api
from tests.support.certificates import Authority, make_authority
from tests.support.in_process import client_of
from tests.support.wait import until_async

PODS = "/api/v1/namespaces/default/pods"
STDIO = ALL.replace("input", "stdin").replace("output", "stdout").replace("error", "stderr")


@pytest.fixture
async def kubelet(node: TestNode, tmp_path: Path) -> AsyncIterator[KubeletServer]:
    async with kubelet_of(node, tmp_path) as server:
        yield server


@asynccontextmanager
async def kubelet_of(
    node: TestNode, tmp_path: Path, authority: Authority | None = None
) -> AsyncIterator[KubeletServer]:
    """The port of node n1, as main opens it; the API server knows it and shows a certificate."""
    authority = authority or make_authority(tmp_path / "pki")
    context = tls.server_context(*authority.pair("n1"), authority.ca, require_client=False)
    served = Served(node.kubelet.pods.store, node.runtime, SystemClock())
    gate = Gate(client_of(node.api, "kubelet"), "n1")
    server = KubeletServer("127.0.0.1", 0, context, {}, CollectorRegistry(), served, gate)
    await server.start()
    status = {
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": server.port}},
    }
    await node.api.ok("POST", "/api/v1/nodes", {"metadata": {"name": "n1"}})
    merge = "application/merge-patch+json"
    await node.api.ok("PATCH", "/api/v1/nodes/n1/status", {"status": status}, merge)
    connector = aiohttp.TCPConnector(
        ssl=tls.client_context(authority.ca, *authority.pair("apiserver", "system:masters"))
    )
    async with aiohttp.ClientSession(connector=connector) as session:
        node.api.server.kubelets, bare = session, node.api.server.kubelets
        yield server
        node.api.server.kubelets = bare
    await server.stop()


@pytest.fixture
async def port(node: TestNode, kubelet: KubeletServer) -> Port:
    """The API server's, with a running pod `p` behind it."""
    await node.create("p")
    await node.wait("p", "Running")
    return Port(node.api.base, node.api.session)


async def test_a_command_goes_through(port: Port) -> None:
    async with command(port, f"{PODS}/p/exec?command=cat&{STDIO}") as client:
        await client.send(0, b"hello")
        # The Python clients send text.
        await client.socket.send_str("\x00 there")
        await client.send(255, b"\0")
        assert await client.finish() == SUCCESS
    assert client.channels[1] == b"hello there"


async def test_a_whole_file_in_one_message(port: Port) -> None:
    """As Python's client sends it."""
    data = bytes(range(256)) * 80_000
    path = f"{port.base}{PODS}/p/exec?command=cat&{STDIO}"
    async with port.session.ws_connect(path, protocols=["v5.channel.k8s.io"], max_msg_size=0) as socket:
        client = Command(socket)
        await client.send(0, data)
        await client.send(255, b"\0")
        assert await client.finish() == SUCCESS
    assert client.channels[1] == data


async def test_a_browser_shows_its_token_among_its_protocols(node: TestNode, port: Port) -> None:
    accounts = "/api/v1/namespaces/default/serviceaccounts"
    await node.api.ok("POST", accounts, {"metadata": {"name": "page"}})
    token = (await node.api.ok("POST", f"{accounts}/page/token", {}))["status"]["token"]
    shown = base64.urlsafe_b64encode(token.encode()).decode().rstrip("=")
    prefix = "base64url.bearer.authorization.k8s.io."
    path = "p/exec?command=ls&stdout=true"
    code, text = await handshake(node.api, path, prefix + shown, "v4.channel.k8s.io")
    assert code == 403
    assert 'User "system:serviceaccount:default:page" cannot' in text
    assert (await handshake(node.api, path, prefix + "nonsense", "v4.channel.k8s.io"))[0] == 401


async def test_an_older_protocol_goes_through(port: Port) -> None:
    path = f"{PODS}/p/exec?command=sh&command=-c&command=exit 3&container=c&stdout=true"
    async with command(port, path, "v4.channel.k8s.io") as client:
        assert (await client.finish())["details"]["causes"] == [{"reason": "ExitCode", "message": "3"}]


async def test_attach_goes_through(node: TestNode, port: Port) -> None:
    async with command(port, f"{PODS}/p/attach?stdout=1") as client:
        await node.delete("p")
        assert await client.finish() == SUCCESS


async def test_a_kubelet_that_breaks_off_is_no_success(port: Port, kubelet: KubeletServer) -> None:
    async with command(port, f"{PODS}/p/exec?command=cat&{STDIO}") as client:
        await client.send(0, b"x")
        assert await client.receive()
        await kubelet.stop()
        status = await client.finish()
    assert status["message"] == "Internal error occurred: the kubelet of n1 broke off the connection"


@pytest.mark.parametrize("protocol", ["v5.channel.k8s.io", "v4.channel.k8s.io"])
async def test_who_sends_much_hears_that_nobody_reads_it(port: Port, protocol: str) -> None:
    for _ in range(10):
        async with command(port, f"{PODS}/p/exec?command=xyz&{STDIO}", protocol) as client:

            async def send(client: Command = client) -> None:
                with contextlib.suppress(ConnectionError):
                    for _ in range(200):
                        await client.send(0, bytes(1 << 15))

            sending = asyncio.ensure_future(send())
            assert "xyz" in (await client.finish())["message"]
            await sending


async def test_a_container_that_does_not_run(node: TestNode, port: Port) -> None:
    await node.create("done", "once", restartPolicy="Never")
    await node.wait("done", "Succeeded")
    text = 'Internal error occurred: unable to upgrade connection: container not found ("c")'
    async with command(port, f"{PODS}/done/exec?command=ls&stdout=1") as client:
        assert (await client.finish())["message"] == text
    refused = await handshake(node.api, "done/exec?command=ls&stdout=1", "v4.channel.k8s.io")
    assert refused == (500, text)


async def handshake(api: Api, path: str, *protocols: str, **headers: str) -> tuple[int, str]:
    """How the API server refuses a WebSocket."""
    sent = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
        "Sec-WebSocket-Protocol": ", ".join(protocols),
    }
    answer = await api("GET", f"{PODS}/{path}", **{**sent, **headers})
    return answer.code, answer.json["message"]


@pytest.mark.parametrize("what", ["exec", "attach"])
async def test_refusals_come_before_the_upgrade(node: TestNode, port: Port, what: str) -> None:
    await node.create("two", containers=[{"name": each, "image": "run"} for each in "ab"])
    await node.create("nowhere", nodeName="")
    for path, refusal in (
        (f"nosuch/{what}?command=ls", (404, 'pods "nosuch" not found')),
        (f"p/{what}?command=ls&container=x", (400, "container x is not valid for pod p")),
        (
            f"two/{what}?command=ls",
            (400, "a container name must be specified for pod two, choose one of: [a b]"),
        ),
        (f"nowhere/{what}?command=ls", (400, "pod nowhere does not have a host assigned")),
    ):
        assert await handshake(node.api, path, "v5.channel.k8s.io") == refusal
        # The way of SPDY, which kubectl goes when a WebSocket is refused: the same words.
        answer = await node.api("POST", f"{PODS}/{path}")
        assert (answer.code, answer.json["message"]) == refusal
    answer = await node.api("POST", f"{PODS}/p/{what}?command=ls")
    assert (answer.code, answer.json["message"]) == (400, "Upgrade request required")


@pytest.mark.parametrize("what", ["exec", "attach", "portforward"])
async def test_get_alone_is_not_enough(node: TestNode, port: Port, what: str) -> None:
    rbac = "/apis/rbac.authorization.k8s.io/v1/namespaces/default"
    rules = [{"apiGroups": [""], "resources": [f"pods/{what}"], "verbs": ["get"]}]
    await node.api.ok("POST", f"{rbac}/roles", {"metadata": {"name": "looker"}, "rules": rules})
    binding = {
        "metadata": {"name": "looker"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "looker"},
        "subjects": [{"kind": "User", "name": "jane", "apiGroup": "rbac.authorization.k8s.io"}],
    }
    await node.api.ok("POST", f"{rbac}/rolebindings", binding)
    path = f"p/{what}?command=ls&stdout=1"

    async def refusal() -> Any:
        found = await handshake(node.api, path, "v5.channel.k8s.io", Impersonate_User="jane")
        return None if "cannot get" in found[1] else found

    code, text = await until_async("the role holds", refusal)
    assert (code, text) == (
        403,
        f'pods "p" is forbidden: User "jane" cannot create resource "pods/{what}" in API group "" '
        'in the namespace "default"',
    )
