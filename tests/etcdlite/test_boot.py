"""What a member begins with, and goes on from."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from random import Random

import pytest

from etcdlite import wal as wal_files
from etcdlite.boot import Settings, open_node, resume
from etcdlite.node import Node
from etcdlite.pb import rpc_pb2
from etcdlite.peer_server import PeerServer
from etcdlite.raft.messages import ConfState, Entry, HardState, Message, MessageType, SnapshotMetadata
from etcdlite.wal import Identity, Wal

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


def test_a_crash_between_a_snapshot_and_the_log_that_tells_of_it_may_come(tmp_path: Path) -> None:
    """The log ends at 4, the snapshot in place at 9: what is appended then is found by the next restart."""
    founding, installed = (SnapshotMetadata(index, 1, ConfState((1, 2))) for index in (1, 9))
    wal = Wal.create(tmp_path, Identity(1, 1), HardState(1, 0, 1), founding)
    wal.save(HardState(1, 0, 1), [Entry(1, index) for index in range(2, 5)])
    wal.close()
    wal, contents = wal_files.open_wal(tmp_path)
    assert resume(wal, contents, installed).last_index() == 9
    wal.save(HardState(1, 0, 10), [Entry(1, 10)])
    wal.close()
    wal, contents = wal_files.open_wal(tmp_path)
    assert resume(wal, contents, installed).last_index() == 10
    wal.close()
