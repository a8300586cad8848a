"""The process itself: it serves over TLS, names a taken port in one line, and ends with its watches open."""

from __future__ import annotations

import asyncio
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.support.certificates import Authority, make_authority
from tests.support.store_cluster import ROOT, StoreCluster, free_ports
from tests.support.wait import until_async

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


class Process:
    """An API server as its own process."""

    def __init__(self, folder: Path, store: StoreCluster, authority: Authority, port: int) -> None:
        self.url = f"https://127.0.0.1:{port}"
        cert, key = authority.pair("kube-apiserver")
        flags = {
            "etcd-servers": ",".join(store.endpoints),
            "etcd-cafile": store.ca,
            "etcd-certfile": store.cert,
            "etcd-keyfile": store.key,
            "secure-port": port,
            "tls-cert-file": cert,
            "tls-private-key-file": key,
            "client-ca-file": authority.ca,
            "service-account-signing-key-file": _signing_key(folder),
        }
        command = [sys.executable, "-P", "-m", "apiserver", *(f"--{k}={v}" for k, v in flags.items())]
        self.process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)

    def end(self) -> tuple[int, str]:
        """Wait for the end: the exit code and what was written."""
        _, text = self.process.communicate(timeout=60)
        return self.process.returncode, text


def _signing_key(folder: Path) -> Path:
    path = folder / "sa.key"
    key = ec.generate_private_key(ec.SECP256R1())
    formats = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(key.private_bytes(serialization.Encoding.PEM, *formats))
    return path


@pytest.fixture
def store(tmp_path: Path) -> Iterator[StoreCluster]:
    folder = tmp_path / "store"
    folder.mkdir()
    with StoreCluster(folder, size=1) as cluster:
        cluster.start()
        yield cluster


async def test_it_serves_refuses_a_taken_port_and_ends(tmp_path: Path, store: StoreCluster) -> None:
    authority, port = make_authority(tmp_path), free_ports(1)[0]
    server = Process(tmp_path, store, authority, port)
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
            code, text = await asyncio.to_thread(Process(tmp_path, store, authority, port).end)
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
