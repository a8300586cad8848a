"""What a member begins with, and goes on from."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from random import Random

import pytest

from etcdlite.boot import Settings, open_node
from etcdlite.node import Node
from etcdlite.pb import rpc_pb2
from etcdlite.peer_server import PeerServer
from etcdlite.raft.messages import Message, MessageType

FOUNDER_URL, JOINER_URL = "http://127.0.0.1:1", "http://127.0.0.1:2"
JOINER = 7


@pytest.fixture
async def founder(tmp_path: Path) -> AsyncIterator[tuple[Node, str]]:
    """A member that has added another one, and where it answers."""
    for name in ("m", "joiner"):
        (tmp_path / name).mkdir()
    settings = Settings("m", tmp_path / "m", {"m": [FOUNDER_URL]}, "test")
    node = await open_node(settings, Random(1), None)
    node.members.put(rpc_pb2.Member(ID=JOINER, peerURLs=[JOINER_URL]))
    server = PeerServer(node.transport, node, node.leasing, node.members)
    port = await server.listen("http://127.0.0.1:0", None)
    yield node, f"http://127.0.0.1:{port}"
    await server.close()
    await node.close()


async def test_who_joined_and_dies_before_its_snapshot_comes_can_start_again(
    founder: tuple[Node, str], tmp_path: Path
) -> None:
    node, url = founder
    cluster = {"m": [url], "joiner": [JOINER_URL]}
    settings = Settings("joiner", tmp_path / "joiner", cluster, "test", is_new_cluster=False)
    joiner = await open_node(settings, Random(2), None)
    joiner.raft.step(Message(MessageType.HEARTBEAT, to=JOINER, from_=node.member_id, term=5))
    ready = joiner.raft.ready()
    await joiner.journal.save(ready)
    await joiner.close()
    again = await open_node(settings, Random(3), None)
    assert (again.raft_term, again.applied) == (5, 0)
    await again.close()
