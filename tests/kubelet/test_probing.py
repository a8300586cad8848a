"""Probes asked of real servers on a pod's address: what they find, and the words for it."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from kube.base.clock import SystemClock
from kubelet.pod.probes import Outcome, Probe
from kubelet.probing import ask
from kubelet.runtime.fake import FakeRuntime
from kubelet.runtime.fake_records import Records
from kubelet.runtime.interface import Container, ContainerConfig, SandboxConfig
from kubelet.runtime.stages import Stages

STAGES = Stages.parse([{"name": "run", "images": ["*"], "start_seconds": 0, "entrypoint": ["sleep", "1000"]}])


class Askable(FakeRuntime):
    """Its containers have servers that the test runs."""

    def pretended_probe(self, container_id: str, kind: str, action: Mapping[str, Any]) -> bool | None:
        return None


class Pod:
    """One container, and the address at which the test serves for it."""

    def __init__(self, runtime: Askable, container: Container) -> None:
        self._runtime, self._container = runtime, container
        sandbox = runtime.sandbox_of("u")
        assert sandbox is not None
        self.ip = sandbox.ip
        self.ports: list[Any] = []

    async def ask(self, **action: Any) -> tuple[Outcome, str]:
        probe = Probe("liveness", {"timeoutSeconds": 1, **action})
        return await ask(self._runtime, self._container, {"ports": self.ports}, probe)


@pytest.fixture
async def pod(tmp_path: Path) -> AsyncIterator[Pod]:
    records, ids = Records(tmp_path), itertools.count(1)
    records.open()
    network = IPv4Network("127.239.98.0/24")
    runtime = Askable(STAGES, records, network, "127.31.0.9", SystemClock(), lambda: f"id-{next(ids)}")
    await runtime.run_pod_sandbox(SandboxConfig("u", "default", "p"))
    await runtime.start_container(await runtime.create_container("u", ContainerConfig("c", 0, "any")))
    yield Pod(runtime, runtime.containers_of("u")[0])
    await runtime.stop()


@asynccontextmanager
async def serving(ip: str, answers: Mapping[str, str]) -> AsyncIterator[tuple[int, list[str]]]:
    """An HTTP server: heads of answers by path; the port and the requests it has heard."""
    heard: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        heard.append(head)
        answer = answers[head.split()[1]]
        writer.write(f"HTTP/1.1 {answer}\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbody".encode())
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve, ip, 0)
    try:
        yield server.sockets[0].getsockname()[1], heard
    finally:
        server.close()
        await server.wait_closed()


async def test_http(pod: Pod) -> None:
    answers = {
        "/ok": "200 OK",
        "/moved": "302 Found\r\nLocation: /ok",
        "/away": "302 Found\r\nLocation: http://other.example/",
        "/sick": "503 Service Unavailable",
    }
    async with serving(pod.ip, answers) as (port, heard):
        pod.ports = [{"name": "web", "containerPort": port}]
        headers = [{"name": "X-Who", "value": "probe"}, {"name": "Host", "value": "me"}]
        asked = {"path": "ok", "port": "web", "httpHeaders": headers}
        assert await pod.ask(httpGet=asked) == (Outcome.SUCCESS, "")
        assert {"X-Who: probe", "Host: me", "User-Agent: kube-probe/1.36"} <= set(heard[0].split("\r\n"))
        assert await pod.ask(httpGet={"path": "/moved", "port": port}) == (Outcome.SUCCESS, "")
        assert await pod.ask(httpGet={"path": "/away", "port": port}) == (
            Outcome.SUCCESS,
            "Probe terminated redirects, Response body: body",
        )
        assert await pod.ask(httpGet={"path": "/sick", "port": port}) == (
            Outcome.FAILURE,
            "HTTP probe failed with statuscode: 503",
        )
    assert await pod.ask(httpGet={"path": "/", "port": port}) == (
        Outcome.FAILURE,
        f'Get "http://{pod.ip}:{port}/": dial tcp {pod.ip}:{port}: connect: connection refused',
    )
    assert await pod.ask(httpGet={"port": "nope"}) == (
        Outcome.UNKNOWN,
        'strconv.Atoi: parsing "nope": invalid syntax',
    )


async def test_one_that_never_answers(pod: Pod) -> None:
    released = asyncio.Event()

    async def silent(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await released.wait()
        writer.close()

    server = await asyncio.start_server(silent, pod.ip, 0)
    port = server.sockets[0].getsockname()[1]
    assert await pod.ask(tcpSocket={"port": port}) == (Outcome.SUCCESS, "")
    assert await pod.ask(httpGet={"path": "/", "port": port}) == (
        Outcome.FAILURE,
        f'Get "http://{pod.ip}:{port}/": context deadline exceeded '
        "(Client.Timeout exceeded while awaiting headers)",
    )
    released.set()
    server.close()
    await server.wait_closed()
    assert await pod.ask(tcpSocket={"port": port}) == (
        Outcome.FAILURE,
        f"dial tcp {pod.ip}:{port}: connect: connection refused",
    )


async def test_grpc(pod: Pod) -> None:
    """A health service that answers by the name it is asked for: SERVING is 1, NOT_SERVING 2."""

    async def check(request: bytes, _: Any) -> bytes:
        return b"\x08\x02" if request == b"\x0a\x04sick" else b"\x08\x01"

    handler = grpc.unary_unary_rpc_method_handler(check)
    health = grpc.method_handlers_generic_handler("grpc.health.v1.Health", {"Check": handler})
    server = grpc.aio.server()
    port = server.add_insecure_port(f"{pod.ip}:0")
    server.add_generic_rpc_handlers([health])
    await server.start()
    assert await pod.ask(grpc={"port": port}) == (Outcome.SUCCESS, "")
    assert await pod.ask(grpc={"port": port, "service": "sick"}) == (
        Outcome.FAILURE,
        'service unhealthy (responded with "NOT_SERVING")',
    )
    await server.stop(None)
    assert await pod.ask(grpc={"port": port}) == (
        Outcome.FAILURE,
        f'timeout: failed to connect service "{pod.ip}:{port}" within 1s: context deadline exceeded',
    )


async def test_commands(pod: Pod) -> None:
    def command(script: str) -> dict[str, Any]:
        return {"command": ["sh", "-c", script]}

    assert await pod.ask(exec=command("echo fine")) == (Outcome.SUCCESS, "")
    assert await pod.ask(exec=command("echo sick; exit 2")) == (Outcome.FAILURE, "sick\n")
    assert await pod.ask(exec={"command": ["sleep", "1000"]}) == (
        Outcome.FAILURE,
        'command timed out: "sleep 1000" timed out after 1s',
    )
    outcome, text = await pod.ask(exec={"command": ["/nope"]})
    assert (outcome, "no such file or directory" in text) == (Outcome.UNKNOWN, True)
