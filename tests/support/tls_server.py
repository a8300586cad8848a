"""The real API server over TLS and a store in memory, as a process of its own: what kills or swells it shows
from outside, and does the tests no harm.

    python -m tests.support.tls_server FOLDER '{"apiserver.http_protocol.BODY_SECONDS": 0.3}'

The folder holds `ca.crt`, `server.crt` and its key, and the signing key `sa.key`. The port is the first line
that is written; the second argument sets limits of the server's modules.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
from pathlib import Path

import aiohttp

from apiserver import app
from apiserver.authentication.tokens import KeyPair
from apiserver.http_protocol import HttpServer, bind, raise_descriptor_limit
from apiserver.main import Flags, wire
from kube.base import logs, tls
from kube.base.run import run
from kube.base.tasks import Tasks
from tests.support.api_server import prepare
from tests.support.memory_storage import MemoryStorage


async def serve(folder: Path) -> None:
    """Serve until the process is ended."""
    raise_descriptor_limit()
    context = tls.server_context(
        str(folder / "server.crt"), str(folder / "server.key"), str(folder / "ca.crt"), require_client=False
    )
    keys = KeyPair.load(str(folder / "sa.key"))
    async with aiohttp.ClientSession() as kubelets, aiohttp.ClientSession() as backends, Tasks() as tasks:
        listener = bind("127.0.0.1", 0, "--secure-port")
        port = listener.getsockname()[1]
        server = wire(MemoryStorage(), keys, (kubelets, backends), Flags(), f"127.0.0.1:{port}")
        tasks.start("watch cache", server.cache.run)
        await server.cache.at_least(1)
        await prepare(server)
        await HttpServer(app.Application(server), context).listen(listener)
        print(port, flush=True)
        await asyncio.Event().wait()


def main(folder: str, limits: str) -> None:
    for name, value in json.loads(limits).items():
        module, _, constant = name.rpartition(".")
        setattr(importlib.import_module(module), constant, value)
    logs.configure("apiserver")
    run(serve, Path(folder))


if __name__ == "__main__":
    main(*sys.argv[1:])
