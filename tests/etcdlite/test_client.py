"""The client against Debian's etcd: the protocol's reference, not our own server."""

from __future__ import annotations

import asyncio
import socket
import subprocess
from contextlib import ExitStack

import pytest

from etcdlite.client import Client, ClientError, Compacted, Unavailable, prefix_end
from etcdlite.pb import rpc_pb2
from tests.support.certificates import make_authority

pytestmark = pytest.mark.e2e  # needs Debian's etcd-server


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Etcd:
    """One etcd process that can be killed and started again on its data."""

    def __init__(self, folder) -> None:
        self.folder = folder
        self.url = f"http://127.0.0.1:{free_port()}"
        self.peer_url = f"http://127.0.0.1:{free_port()}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        flags = {
            "data-dir": str(self.folder),
            "listen-client-urls": self.url,
            "advertise-client-urls": self.url,
            "listen-peer-urls": self.peer_url,
            "initial-advertise-peer-urls": self.peer_url,
            "initial-cluster": f"default={self.peer_url}",
        }
        command = ["etcd", "--log-level=error", *(f"--{name}={value}" for name, value in flags.items())]
        self.process = subprocess.Popen(command, stderr=subprocess.DEVNULL)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()


@pytest.fixture(scope="module")
def etcd(tmp_path_factory):
    with ExitStack() as stack:
        etcd = Etcd(tmp_path_factory.mktemp("etcd"))
        stack.callback(etcd.kill)
        etcd.start()
        yield etcd


@pytest.fixture
async def client(etcd):
    # The first endpoint is dead: every test also shows that the client goes on to the next.
    async with Client([f"http://127.0.0.1:{free_port()}", etcd.url], timeout=30) as client:
        await client.delete_range(b"\0", b"\0")
        yield client


def test_prefix_end():
    assert prefix_end(b"/a/") == b"/a0"
    assert prefix_end(b"a\xff") == b"b"
    assert prefix_end(b"\xff\xff") == b"\0"


async def test_an_endpoint_says_itself_whether_it_is_encrypted(etcd, tmp_path):
    authority = make_authority(tmp_path)
    async with Client([etcd.url], authority.ca, *authority.pair("client"), timeout=30) as client:
        assert (await client.put(b"/a/1", b"x")).header.revision > 0


async def test_put_range_delete(client):
    put = await client.put(b"/a/1", b"x")
    await client.put(b"/a/2", b"y")
    answer = await client.range_(b"/a/", prefix_end(b"/a/"), keys_only=True)
    assert [kv.key for kv in answer.kvs] == [b"/a/1", b"/a/2"]
    assert answer.kvs[0].mod_revision == put.header.revision
    assert (await client.delete_range(b"/a/1")).deleted == 1


async def test_txn_takes_the_failure_branch(client):
    await client.put(b"k", b"1")
    compare = rpc_pb2.Compare(key=b"k", target=rpc_pb2.Compare.MOD, mod_revision=0)
    read = rpc_pb2.RequestOp(request_range=rpc_pb2.RangeRequest(key=b"k"))
    answer = await client.txn([compare], [], [read])
    assert not answer.succeeded
    assert answer.responses[0].response_range.kvs[0].value == b"1"


async def test_refusals_and_compaction_are_told_apart(client):
    with pytest.raises(ClientError, match="key is not provided"):
        await client.put(b"", b"")
    revision = (await client.put(b"k", b"2")).header.revision
    await client.compact(revision)
    with pytest.raises(Compacted):
        await client.range_(b"k", revision=revision - 1)
    with pytest.raises(Compacted) as caught:
        await anext(aiter(client.watch(b"k", start_revision=revision - 1)))
    assert caught.value.compact_revision == revision


async def test_lease_lives_and_dies(client):
    lease = await client.lease_grant(60)
    await client.put(b"leased", b"", lease=lease.ID)
    assert await client.lease_keep_alive(lease.ID) == 60
    assert list((await client.lease_time_to_live(lease.ID, keys=True)).keys) == [b"leased"]
    await client.lease_revoke(lease.ID)
    assert (await client.range_(b"leased")).count == 0
    assert await client.lease_keep_alive(lease.ID) == 0


async def test_big_values_pass(client):
    for number in range(8):
        await client.put(b"big/%d" % number, bytes(1_000_000))
    answer = await client.range_(b"big/", prefix_end(b"big/"))
    assert sum(len(kv.value) for kv in answer.kvs) == 8_000_000


async def test_watch_from_now_and_progress(client):
    async with client.watch(b"w/", prefix_end(b"w/")) as watcher:
        put = await client.put(b"w/1", b"x")
        assert (await anext(watcher)).events[0].kv.key == b"w/1"
        await watcher.request_progress()
        progress = await anext(watcher)
        assert not progress.events
        assert progress.header.revision >= put.header.revision


async def test_watch_goes_on_after_the_server_was_killed(etcd, client):
    async with client.watch(b"r/", prefix_end(b"r/")) as watcher:
        await client.put(b"r/1", b"")
        assert (await anext(watcher)).events[0].kv.key == b"r/1"
        etcd.kill()
        reading = asyncio.ensure_future(anext(watcher))
        etcd.start()
        # By a connection of its own: a write on the old one, whose end may not be known yet, is not repeated.
        async with Client([etcd.url], timeout=30) as writer:
            await writer.put(b"r/2", b"")
        response = await reading
        assert [event.kv.key for event in response.events] == [b"r/2"]


async def test_closing_ends_the_iteration(client):
    watcher = client.watch(b"c")
    async with watcher:
        reading = asyncio.ensure_future(anext(watcher, None))
        await asyncio.sleep(0)
        watcher.close()
        assert await reading is None


async def test_a_caller_who_gave_up_may_read_on(client):
    async with client.watch(b"g") as watcher:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(watcher), 0.01)
        await client.put(b"g", b"")
        assert (await anext(watcher)).events[0].kv.key == b"g"


async def test_nobody_there():
    async with Client([f"http://127.0.0.1:{free_port()}"], timeout=0.3) as client:
        with pytest.raises(Unavailable):
            await client.range_(b"k")
