"""Three real members: what survives kills, pauses and restarts."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys

import pytest

from etcdlite.client import Client, ClientError, Unavailable, prefix_end
from tests.support.store_cluster import ROOT, StoreCluster
from tests.support.wait import until, until_async

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


@pytest.fixture
def cluster(tmp_path):
    with StoreCluster(tmp_path, flags=("--snapshot-count=100",)) as cluster:
        cluster.start()
        yield cluster


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """One cluster for the tests that break nothing."""
    with StoreCluster(tmp_path_factory.mktemp("shared")) as cluster:
        cluster.start()
        wait_for_leader(cluster)
        yield cluster


def wait_for_leader(cluster: StoreCluster) -> None:
    until("a leader", lambda: all("leader changed" in cluster.log(n) for n in range(cluster.size)))


def client_of(cluster: StoreCluster, *numbers: int) -> Client:
    endpoints = [cluster.endpoints[number] for number in numbers or range(cluster.size)]
    return Client(endpoints, cluster.ca, cluster.cert, cluster.key, timeout=30)


async def leader_of(cluster: StoreCluster, client: Client, among=(0, 1, 2)) -> int:
    """The number of the member that leads, once one does."""

    async def leading() -> list[int]:
        for number in among:
            try:
                status = await client.status(cluster.endpoints[number])
            except Unavailable:
                continue  # it is still starting
            if status.leader == status.header.member_id:
                return [number]
        return []

    (found,) = await until_async("a member leads", leading)
    return found


async def all_equal(cluster: StoreCluster, client: Client) -> None:
    """Wait until every member has the newest revision; then their hashes must agree."""
    revision = (await client.range_(b"\0")).header.revision
    hashes = set()
    for endpoint in cluster.endpoints:
        async with Client([endpoint], cluster.ca, cluster.cert, cluster.key, timeout=60) as one:
            await one.range_(b"\0")  # linearizable: this member has caught up now
            hashes.add((await one.hash_kv(endpoint, revision)).hash)
    assert len(hashes) == 1


async def test_no_acknowledged_write_is_lost_when_the_leader_is_killed(cluster):
    acknowledged: list[bytes] = []
    stop = asyncio.Event()

    async def write(worker: int, client: Client) -> None:
        number = 0
        while not stop.is_set():
            key = b"w/%d/%d" % (worker, number)
            number += 1
            try:
                await client.put(key, key, timeout=30)
            except Unavailable:
                continue  # it may or may not be there; only what was acknowledged must be
            acknowledged.append(key)

    async def more(count: int) -> None:
        wanted = len(acknowledged) + count
        while len(acknowledged) < wanted:  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    async with client_of(cluster) as client, asyncio.TaskGroup() as tasks:
        for worker in range(4):
            tasks.create_task(write(worker, client))
        await more(50)
        killed = await leader_of(cluster, client)
        cluster.kill(killed)
        await more(50)
        cluster.start(killed)
        await more(50)
        stop.set()
    async with client_of(cluster) as client:
        answer = await client.range_(b"w/", prefix_end(b"w/"), keys_only=True)
        assert set(acknowledged) <= {kv.key for kv in answer.kvs}
        await all_equal(cluster, client)


async def test_everything_is_there_after_all_were_killed(cluster):
    async with client_of(cluster) as client:
        lease = await client.lease_grant(3600)
        for number in range(30):
            await client.put(b"k/%d" % number, b"v", lease=lease.ID if number == 0 else 0)
        await client.delete_range(b"k/1")
        before = await client.range_(b"k/", prefix_end(b"k/"))
        cluster.kill()
        cluster.start()
        after = await client.range_(b"k/", prefix_end(b"k/"), timeout=60)
        assert list(after.kvs) == list(before.kvs)
        assert after.header.revision == before.header.revision
        assert list((await client.lease_time_to_live(lease.ID, keys=True)).keys) == [b"k/0"]
        await all_equal(cluster, client)


async def test_a_follower_too_far_behind_gets_a_snapshot_and_nobody_an_election(tmp_path):
    flags = ("--snapshot-count=100", "--snapshot-catchup-entries=50", "--election-timeout=3000")
    with StoreCluster(tmp_path, flags=flags) as cluster:
        cluster.start()
        async with client_of(cluster) as client:
            await client.put(b"first", b"")
            absent = (await leader_of(cluster, client) + 1) % 3
            cluster.kill(absent)
            others = [number for number in range(3) if number != absent]
            async with client_of(cluster, *others) as two:
                for batch in range(6):
                    await asyncio.gather(
                        *(two.put(b"k/%d/%d" % (batch, n), bytes(50_000)) for n in range(50))
                    )
                for number in others:
                    await asyncio.to_thread(
                        until, "a cut of the log", lambda n=number: "compacted" in cluster.log(n)
                    )
            term = (await client.status(cluster.endpoints[others[0]])).raftTerm
            cluster.start(absent)
            await all_equal(cluster, client)
            assert (await client.status(cluster.endpoints[others[0]])).raftTerm == term
            assert "installing a snapshot" in cluster.log(absent)
            cluster.kill()
            cluster.start()
            await all_equal(cluster, client)


async def test_a_member_alone_reads_old_state_and_refuses_the_rest(cluster):
    async with client_of(cluster) as client:
        await client.put(b"k", b"v")
        await all_equal(cluster, client)
    cluster.kill(1, 2)
    async with client_of(cluster, 0) as alone:
        assert (await alone.range_(b"k", serializable=True)).count == 1
        with pytest.raises(ClientError):
            await alone.put(b"k", b"w", timeout=3)
    with pytest.raises(AssertionError, match=r"deadline exceeded|no leader|timed out"):
        cluster.etcdctl("alarm", "list", endpoints=cluster.endpoints[0])


async def test_a_watch_crosses_the_loss_of_its_member(cluster):
    wait_for_leader(cluster)
    async with client_of(cluster) as client, client_of(cluster, 1, 2) as writer:
        async with client.watch(b"k") as watcher:  # at member 0
            for number in range(1, 30):
                await writer.put(b"k", b"%d" % number)
                if number == 10:
                    await asyncio.to_thread(cluster.terminate, 0)
            seen: list[bytes] = []
            while len(seen) < 29:
                seen += [event.kv.value for event in (await anext(watcher)).events]
        assert seen == [b"%d" % number for number in range(1, 30)]


async def test_a_paused_leader_neither_answers_nor_revokes_after_waking(cluster):
    async with client_of(cluster) as client:
        lease = await client.lease_grant(5)
        await client.put(b"leased", b"", lease=lease.ID)
        paused = await leader_of(cluster, client)
        others = [number for number in range(3) if number != paused]
        cluster.pause(paused)
        async with client_of(cluster, *others) as two:
            await two.put(b"after", b"")
            await leader_of(cluster, two, others)
            for _ in range(40):  # longer than the lease: it lives by renewals at the new leader
                assert await two.lease_keep_alive(lease.ID) == 5
                await asyncio.sleep(0.2)
            cluster.resume(paused)
            assert await two.lease_keep_alive(lease.ID) == 5
            async with client_of(cluster, paused) as woken:
                assert (await woken.range_(b"after")).count == 1
            assert (await two.range_(b"leased")).count == 1
        await all_equal(cluster, client)


async def test_a_member_is_replaced(cluster):
    async with client_of(cluster) as client:
        for number in range(50):
            await client.put(b"k/%d" % number, b"v")
        leader = await leader_of(cluster, client)
    gone = (leader + 1) % 3
    stays = ",".join(url for number, url in enumerate(cluster.endpoints) if number != gone)
    members = [line.split(", ") for line in cluster.etcdctl("member", "list").splitlines()]
    member_id = next(member[0] for member in members if member[2] == f"m{gone}")
    assert "removed" in cluster.etcdctl("member", "remove", member_id, endpoints=stays)
    assert await asyncio.to_thread(cluster.wait, gone) == 0, "a removed member ends itself"
    shutil.rmtree(cluster.folder / f"m{gone}")
    peer_url = f"--peer-urls={cluster.peer_urls[gone]}"
    assert "added" in cluster.etcdctl("member", "add", f"m{gone}", peer_url, endpoints=stays)
    cluster.start(gone, flags=("--initial-cluster-state=existing",))
    async with client_of(cluster, gone) as newcomer:
        answer = await newcomer.range_(b"k/", prefix_end(b"k/"), timeout=60)
        assert answer.count == 50
    async with client_of(cluster) as client:
        await all_equal(cluster, client)
    cluster.kill()
    cluster.start()
    async with client_of(cluster) as client:
        await all_equal(cluster, client)


async def test_sigterm_hands_leadership_on_and_ends_cleanly(cluster):
    async with client_of(cluster) as client:
        await client.put(b"k", b"v")
        leader = await leader_of(cluster, client)
        others = [number for number in range(3) if number != leader]
        code = await asyncio.to_thread(cluster.terminate, leader)
        assert code == 0
        async with client_of(cluster, *others) as two:
            await two.put(b"k", b"w")
        assert "leadership was not taken over" not in cluster.log(leader)


async def fill(client: Client) -> None:
    for number in range(100):
        await client.put(b"k/%d" % number, bytes(200_000))


async def test_quota_raises_an_alarm_and_its_end_lets_writes_in(tmp_path):
    with StoreCluster(tmp_path, size=1, flags=("--quota-backend-bytes=3000000",)) as cluster:
        cluster.start()
        async with client_of(cluster) as client:
            with pytest.raises(ClientError, match="database space exceeded"):
                await fill(client)
            until("the alarm", lambda: "NOSPACE" in cluster.etcdctl("alarm", "list"))
            await client.delete_range(b"k/", prefix_end(b"k/"))
            revision = (await client.range_(b"k")).header.revision
            await client.compact(revision, physical=True)
            cluster.etcdctl("defrag")
            cluster.etcdctl("alarm", "disarm")
            await client.put(b"k", b"v")


def test_our_own_ctl(shared):
    def ctl(*arguments: str) -> str:
        endpoints = ",".join(shared.endpoints)
        flags = [
            f"--endpoints={endpoints}",
            f"--cacert={shared.ca}",
            f"--cert={shared.cert}",
            f"--key={shared.key}",
        ]
        run = subprocess.run(
            [sys.executable, "-P", "-m", "etcdlite.ctl", *flags, *arguments],
            capture_output=True, text=True, cwd=ROOT, check=True,
        )  # fmt: skip
        return run.stdout

    assert ctl("put", "/ctl/1", "x") == "OK\n"
    assert ctl("get", "/ctl/", "--prefix") == "/ctl/1\nx\n"
    assert ctl("status").count("leader") == 1
    assert ctl("members").count("m0") == 1
    assert ctl("del", "/ctl/", "--prefix") == "1\n"


def test_strangers_are_refused(shared):
    bare = ["etcdctl", f"--endpoints={shared.endpoints[0]}", f"--cacert={shared.ca}", "--command-timeout=2s"]
    run = subprocess.run([*bare, "get", "k"], capture_output=True, text=True, check=False)
    assert run.returncode != 0


def is_written(cluster: StoreCluster) -> bool:
    """Whether the store took a big value."""
    try:
        return cluster.etcdctl("put", "k", stdin="x" * 200_000) == "OK\n"
    except AssertionError:
        return False


class TestFailures:
    """One clear line, and exit code 1."""

    def failure(self, command: list[str]) -> str:
        run = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
        assert run.returncode == 1
        lines = [line for line in run.stderr.splitlines() if not line.startswith("time=")]
        assert len(lines) == 1, run.stderr
        return lines[0]

    def test_a_port_in_use(self, shared, tmp_path):
        command = [part.replace(str(shared.folder / "m0"), str(tmp_path / "d")) for part in shared.command(0)]
        assert "--listen-peer-urls" in self.failure(command)

    def test_a_folder_in_use(self, shared):
        assert "another member is running" in self.failure(shared.command(0))

    def test_a_folder_of_another_cluster(self, tmp_path):
        with StoreCluster(tmp_path, size=1) as cluster:
            cluster.start()
            wait_for_leader(cluster)
            assert cluster.terminate(0) == 0
            line = self.failure([*cluster.command(0), "--initial-cluster-token=other"])
            assert "of cluster" in line
            assert "--data-dir" in line

    def test_a_damaged_log(self, tmp_path):
        with StoreCluster(tmp_path, size=1) as cluster:
            cluster.start()
            wait_for_leader(cluster)
            cluster.kill()
            segment = next((tmp_path / "m0" / "wal").glob("*.wal"))
            data = bytearray(segment.read_bytes())
            data[20] ^= 1
            segment.write_bytes(data)
            assert f"{segment}: damaged at offset 0" in self.failure(cluster.command(0))

    def test_a_file_that_is_not_there(self, tmp_path):
        with StoreCluster(tmp_path, size=1) as cluster:
            line = self.failure([*cluster.command(0), "--key-file=/nowhere/key"])
            assert "/nowhere/key: No such file" in line

    def test_a_disk_that_fills_up(self, tmp_path):
        with StoreCluster(tmp_path, size=1) as cluster:
            limited = ["/bin/sh", "-c", 'ulimit -f 2000; exec "$@"', "sh", *cluster.command(0)]
            member = subprocess.Popen(limited, stderr=subprocess.PIPE, text=True, cwd=ROOT)
            try:
                until("its end", lambda: not is_written(cluster) and member.poll() is not None)
            finally:
                member.kill()
                _, stderr = member.communicate()
            lines = [line for line in stderr.splitlines() if not line.startswith("time=")]
            assert len(lines) == 1, stderr
            assert "the disk failed" in lines[0]
            assert member.returncode == 1

    def test_flags_that_make_no_sense(self, tmp_path):
        member = [sys.executable, "-P", "-m", "etcdlite", "--data-dir", str(tmp_path)]
        assert "--initial-cluster" in self.failure([*member, "--initial-cluster=m0"])
        assert "--name" in self.failure([*member, "--name=x", "--initial-cluster=y=http://127.0.0.1:1"])


def test_a_data_folder_can_be_moved(tmp_path):
    with StoreCluster(tmp_path, size=1) as cluster:
        cluster.start()
        wait_for_leader(cluster)
        cluster.etcdctl("put", "k", "v")
        assert cluster.terminate(0) == 0
        shutil.copytree(tmp_path / "m0", tmp_path / "copy")
        shutil.rmtree(tmp_path / "m0")
        (tmp_path / "copy").rename(tmp_path / "m0")
        cluster.start()
        until("a leader", lambda: cluster.log(0).count("leader changed") == 2)
        assert cluster.etcdctl("get", "k", "--print-value-only") == "v\n"
