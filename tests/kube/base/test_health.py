import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import prometheus_client
import pytest

from kube.base import tls
from kube.base.health import HealthServer
from kube.base.run import StartupError
from tests.support.certificates import Authority, make_authority


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return make_authority(tmp_path)


@pytest.fixture
async def problems() -> dict[str, str | None]:
    return {"informer-sync": None}


@pytest.fixture
async def server(authority: Authority, problems: dict[str, str | None]) -> AsyncIterator[HealthServer]:
    registry = prometheus_client.CollectorRegistry()
    prometheus_client.Counter("walks", "walks taken", registry=registry).inc()
    context = tls.server_context(*authority.pair("server"), authority.ca)
    checks = {"informer-sync": lambda: problems["informer-sync"]}
    server = HealthServer("127.0.0.1", 0, context, checks, registry)
    await server.start()
    yield server
    await server.stop()


async def ask(server: HealthServer, path: str, context: ssl.SSLContext) -> tuple[int, str]:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"https://127.0.0.1:{server.port}{path}", ssl=context) as answer,
    ):
        return answer.status, await answer.text()


async def test_answers_as_kubernetes_components_do(
    server: HealthServer, authority: Authority, problems: dict[str, str | None]
) -> None:
    context = tls.client_context(authority.ca, *authority.pair("client"))
    assert await ask(server, "/readyz", context) == (200, "ok")
    assert await ask(server, "/readyz?verbose", context) == (
        200,
        "[+]ping ok\n[+]informer-sync ok\nreadyz check passed\n",
    )
    problems["informer-sync"] = "waiting for pods"
    failed = "[+]ping ok\n[-]informer-sync failed: waiting for pods\nreadyz check failed\n"
    assert await ask(server, "/readyz", context) == (500, failed)
    assert (await ask(server, "/livez", context))[0] == 200
    assert "walks_total 1.0" in (await ask(server, "/metrics", context))[1]


async def test_refuses_who_has_no_certificate(server: HealthServer, authority: Authority) -> None:
    with pytest.raises(aiohttp.ClientError):
        await ask(server, "/readyz", tls.client_context(authority.ca))


async def test_a_port_in_use_is_named(server: HealthServer) -> None:
    second = HealthServer("127.0.0.1", server.port, None, {}, prometheus_client.CollectorRegistry())
    with pytest.raises(StartupError, match=f"127.0.0.1:{server.port}"):
        await second.start()


def test_a_missing_file_is_named(authority: Authority) -> None:
    with pytest.raises(StartupError, match=r"nowhere\.crt"):
        tls.client_context(authority.ca, "/nowhere.crt", "/nowhere.key")
