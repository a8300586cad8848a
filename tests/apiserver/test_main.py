"""The process itself: it serves over TLS, names a taken port in one line, and ends with its watches open."""

from __future__ import annotations

import asyncio
import signal
import ssl
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from tests.support.api_process import ApiProcess
from tests.support.certificates import make_authority
from tests.support.store_cluster import StoreCluster, free_ports
from tests.support.wait import until_async

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[StoreCluster]:
    folder = tmp_path / "store"
    folder.mkdir()
    with StoreCluster(folder, size=1) as cluster:
        cluster.start()
        yield cluster


async def test_it_serves_refuses_a_taken_port_and_ends(tmp_path: Path, store: StoreCluster) -> None:
    authority, port = make_authority(tmp_path), free_ports(1)[0]
    server = ApiProcess(tmp_path, store, authority, port)
    try:
        context = ssl.create_default_context(cafile=authority.ca)
        context.load_cert_chain(*authority.pair("admin", "system:masters"))
        connector = aiohttp.TCPConnector(ssl=context)
        async with aiohttp.ClientSession(server.url, connector=connector) as session:

            async def ready() -> bool:
                try:
                    async with session.get("/readyz") as answer:
                        return answer.status == 200
                except aiohttp.ClientError:
                    return False

            await until_async("the API server is ready", ready)
            code, text = await asyncio.to_thread(ApiProcess(tmp_path, store, authority, port).end)
            assert code == 1
            lines = [line for line in text.splitlines() if line.startswith("error:")]
            assert lines == [
                f"error: --secure-port: cannot listen on 127.0.0.1:{port}: Address already in use"
            ]
            async with session.get("/api/v1/namespaces?watch=1") as stream:
                assert b"ADDED" in await stream.content.readline()
                server.process.send_signal(signal.SIGTERM)
                await stream.content.read()
        code, text = await asyncio.to_thread(server.end)
        assert (code, "Traceback" in text) == (0, False)
    finally:
        server.process.kill()
        server.process.wait()
