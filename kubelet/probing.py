"""Shell: asks a container one thing, as a probe or a hook says: runs a command in it, or speaks to its port
by HTTP, TCP or gRPC.

A runtime whose containers only pretend answers for them. Texts are those of the real kubelet, and of Go's
network errors within them.
After: k8s pkg/probe/{exec,http,tcp,grpc}; pkg/kubelet/prober/prober.go.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Mapping
from urllib.parse import urljoin, urlsplit

from kube.api.meta import Object
from kubelet.pod.probes import Outcome, Probe
from kubelet.runtime.interface import Container, Runtime, RuntimeFailure

Answer = tuple[Outcome, str]

# What an event shows of a command's output or a page.
SHOWN_BYTES = 10 * 1024
REDIRECTS_MAX = 10
USER_AGENT = "kube-probe/1.36"
SERVING = 1
STATUSES = ("UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN")


class BadPort(ValueError):
    """The probe names a port that the container does not have."""


async def ask(runtime: Runtime, container: Container, spec: Object, probe: Probe) -> Answer:
    """One asking of a probe, and what to tell users of it."""
    pretended = runtime.pretended_probe(container.id, probe.kind, probe.spec)
    if pretended is not None:
        return (Outcome.SUCCESS, "") if pretended else (Outcome.FAILURE, "pretended to fail")
    try:
        if "exec" in probe.spec:
            return await _command(runtime, container, probe)
        if "httpGet" in probe.spec:
            return await _http(runtime, container, spec, probe)
        if "tcpSocket" in probe.spec:
            return await _tcp(runtime, container, spec, probe)
        return await _grpc(runtime, container, probe)
    except (BadPort, RuntimeFailure) as error:
        return Outcome.UNKNOWN, str(error)


def place(runtime: Runtime, container: Container, spec: Object, action: Object) -> tuple[str, str, int, int]:
    """Where to go: the host and port users are told, and the address and port to connect to."""
    port = port_of(spec, action["port"])
    if action.get("host"):
        return action["host"], action["host"], port, port
    sandbox = runtime.sandbox_of(container.pod_uid)
    assert sandbox is not None, "what is probed has a sandbox"
    address, real_port = runtime.address_of(container.pod_uid, port)
    return sandbox.ip, address, port, real_port


def port_of(spec: Object, port: int | str) -> int:
    """A port's number; names are those of the container's ports."""
    for each in spec.get("ports") or ():
        if each.get("name") == port:
            return int(each["containerPort"])
    try:
        return int(port)
    except ValueError as error:
        raise BadPort(f'strconv.Atoi: parsing "{port}": invalid syntax') from error


async def get(
    runtime: Runtime, container: Container, spec: Object, action: Object, timeout_seconds: float
) -> tuple[int, str, str]:
    """The page that an `httpGet` names: its status, its beginning, and where it led elsewhere, if it did.
    OSError, its text like Go's, when there is none.
    """
    host, address, port, real_port = place(runtime, container, spec, action)
    scheme = (action.get("scheme") or "HTTP").lower()
    path = action.get("path") or "/"
    shown = f"{scheme}://{host}:{port}{path if path.startswith('/') else f'/{path}'}"
    headers = {"User-Agent": USER_AGENT, "Accept": "*/*", "Host": f"{host}:{port}"}
    for header in action.get("httpHeaders") or ():
        headers = {key: value for key, value in headers.items() if key.lower() != header["name"].lower()}
        headers[header["name"]] = header.get("value", "")
    real = f"{scheme}://{address}:{real_port}{path if path.startswith('/') else f'/{path}'}"
    try:
        async with asyncio.timeout(timeout_seconds):
            return await _fetch(real, headers)
    except TimeoutError as error:
        waited = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
        raise OSError(f'Get "{shown}": {waited}') from error
    except OSError as error:
        raise OSError(f'Get "{shown}": {_as_go(error, f"dial tcp {host}:{port}")}') from error


async def _fetch(url: str, headers: Mapping[str, str]) -> tuple[int, str, str]:
    import aiohttp

    start = urlsplit(url)
    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(
        timeout=timeout, connector=aiohttp.TCPConnector(force_close=True)
    ) as client:
        for _ in range(REDIRECTS_MAX):
            try:
                async with client.get(url, headers=headers, allow_redirects=False, ssl=False) as response:
                    body = (await response.content.read(SHOWN_BYTES)).decode(errors="replace")
                    target = response.headers.get("Location")
            except aiohttp.ClientConnectorError as error:
                raise error.os_error from error
            except (aiohttp.ClientError, ValueError) as error:
                raise OSError(str(error) or "EOF") from error
            if response.status not in (301, 302, 303, 307, 308) or not target:
                return response.status, body, ""
            url = urljoin(url, target)
            if urlsplit(url).hostname != start.hostname:
                return response.status, body, url
    raise OSError(f"stopped after {REDIRECTS_MAX} redirects")


async def _command(runtime: Runtime, container: Container, probe: Probe) -> Answer:
    command = probe.spec["exec"].get("command") or []
    try:
        result = await runtime.exec_sync(container.id, command, probe.timeout_seconds)
    except TimeoutError:
        shown = " ".join(command)
        return Outcome.FAILURE, f'command timed out: "{shown}" timed out after {probe.timeout_seconds:g}s'
    output = result.output[:SHOWN_BYTES].decode(errors="replace")
    return (Outcome.SUCCESS, "") if result.exit_code == 0 else (Outcome.FAILURE, output)


async def _http(runtime: Runtime, container: Container, spec: Object, probe: Probe) -> Answer:
    try:
        code, body, elsewhere = await get(
            runtime, container, spec, probe.spec["httpGet"], probe.timeout_seconds
        )
    except OSError as error:
        return Outcome.FAILURE, str(error)
    if elsewhere:
        return Outcome.SUCCESS, f"Probe terminated redirects, Response body: {body}"
    if 200 <= code < 400:
        return Outcome.SUCCESS, ""
    return Outcome.FAILURE, f"HTTP probe failed with statuscode: {code}"


async def _tcp(runtime: Runtime, container: Container, spec: Object, probe: Probe) -> Answer:
    host, address, port, real_port = place(runtime, container, spec, probe.spec["tcpSocket"])
    dial = f"dial tcp {host}:{port}"
    try:
        async with asyncio.timeout(probe.timeout_seconds):
            _, writer = await asyncio.open_connection(address, real_port)
    except TimeoutError:
        return Outcome.FAILURE, f"{dial}: i/o timeout"
    except OSError as error:
        return Outcome.FAILURE, _as_go(error, dial)
    writer.close()
    return Outcome.SUCCESS, ""


async def _grpc(runtime: Runtime, container: Container, probe: Probe) -> Answer:
    import grpc
    import grpc.aio

    action, seconds = probe.spec["grpc"], probe.timeout_seconds
    host, address, port, real_port = place(runtime, container, {}, action)
    service = (action.get("service") or "").encode()
    # A HealthCheckRequest: its only field, 1, is the service's name.
    request = b"\x0a" + bytes([len(service)]) + service if service else b""
    options = [("grpc.primary_user_agent", USER_AGENT), ("grpc.enable_http_proxy", 0)]
    async with grpc.aio.insecure_channel(f"{address}:{real_port}", options=options) as channel:
        check = channel.unary_unary("/grpc.health.v1.Health/Check")
        try:
            answer = await check(request, timeout=seconds, wait_for_ready=True)
        except grpc.aio.AioRpcError as error:
            return Outcome.FAILURE, _grpc_failure(error, f"{host}:{port}", seconds, channel)
    # A HealthCheckResponse: its only field, 1, is the status.
    status = answer[1] if len(answer) > 1 else 0
    if status == SERVING:
        return Outcome.SUCCESS, ""
    named = STATUSES[status] if status < len(STATUSES) else str(status)
    return Outcome.FAILURE, f'service unhealthy (responded with "{named}")'


def _grpc_failure(error: object, target: str, seconds: float, channel: object) -> str:
    code = error.code().name  # type: ignore[attr-defined]
    details = error.details()  # type: ignore[attr-defined]
    if code == "UNIMPLEMENTED":
        return (
            "error: this server does not implement the grpc health protocol (grpc.health.v1.Health): "
            f"{details}"
        )
    if code == "DEADLINE_EXCEEDED":
        return f'timeout: failed to connect service "{target}" within {seconds:g}s: context deadline exceeded'
    return f"error: health rpc probe failed: {details}"


def _as_go(error: OSError, dial: str) -> str:
    """`connect: connection refused`, as Go says it."""
    words = {
        errno.ECONNREFUSED: "connection refused",
        errno.EHOSTUNREACH: "no route to host",
        errno.ENETUNREACH: "network is unreachable",
        errno.ECONNRESET: "connection reset by peer",
    }
    if error.errno in words:
        return f"{dial}: connect: {words[error.errno]}"
    return str(error)
