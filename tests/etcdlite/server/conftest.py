"""One member in this process, its services on a loopback port."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

import grpc.aio
import pytest

from etcdlite.boot import Settings, open_node
from etcdlite.limits import Limits
from etcdlite.mvcc.watch import Cursors
from etcdlite.node import Node
from etcdlite.pb import rpc_pb2_grpc
from etcdlite.server.kv import KvServicer
from etcdlite.server.lease import LeaseServicer
from etcdlite.server.watch import WatchServicer

PROGRESS_INTERVAL_SECONDS = 0.05


@dataclass
class Member:
    """The node, and stubs to talk to it."""

    node: Node
    channel: grpc.aio.Channel

    def __post_init__(self) -> None:
        self.kv = rpc_pb2_grpc.KVStub(self.channel)
        self.watch = rpc_pb2_grpc.WatchStub(self.channel)
        self.lease = rpc_pb2_grpc.LeaseStub(self.channel)


@pytest.fixture
async def member(tmp_path: Path) -> AsyncIterator[Member]:
    settings = Settings(
        name="m",
        data_dir=tmp_path,
        initial_cluster={"m": ["http://127.0.0.1:1"]},
        cluster_token="test",
        heartbeat_seconds=0.02,
        limits=Limits(election_seconds=0.1),
    )
    node = await open_node(settings, Random(1), None)
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    rpc_pb2_grpc.add_KVServicer_to_server(KvServicer(node), server)
    rpc_pb2_grpc.add_WatchServicer_to_server(
        WatchServicer(node, Cursors(node.store), PROGRESS_INTERVAL_SECONDS), server
    )
    rpc_pb2_grpc.add_LeaseServicer_to_server(LeaseServicer(node, Random(2)), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    loops = [asyncio.create_task(node.backend.run()), asyncio.create_task(node.run())]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield Member(node, channel)
    await node.stop()
    await server.stop(0.1)
    for loop in loops:
        loop.cancel()
    await asyncio.gather(*loops, return_exceptions=True)
    await node.close()
