"""What real members do when their disk is cut short, damaged, full, wiped, or somebody else's."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest

from etcdlite.client import Client, ClientError, Unavailable, prefix_end
from etcdlite.mvcc.backend import META
from etcdlite.mvcc.backend_lmdb import LmdbBackend
from etcdlite.mvcc.format import FORMAT, FORMAT_KEY
from etcdlite.wal import Kind, encode_record
from tests.support.store_cluster import ROOT, StoreCluster
from tests.support.wait import until, until_async

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

SEED = 20
ROUNDS = 4


@pytest.fixture
def one(tmp_path):
    """One member that has a leader (itself) and a key."""
    with StoreCluster(tmp_path, size=1) as cluster:
        cluster.start()
        until("a write", lambda: is_written(cluster))
        yield cluster


def is_written(cluster: StoreCluster, endpoints: str = "") -> bool:
    try:
        return cluster.etcdctl("put", "k", "v", endpoints=endpoints) == "OK\n"
    except AssertionError:
        return False


def client_of(cluster: StoreCluster) -> Client:
    return Client(cluster.endpoints, cluster.ca, cluster.cert, cluster.key, timeout=30)


def refusal(command: list[str]) -> str:
    """The one line a member that will not start says."""
    run = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False, timeout=60)
    assert run.returncode == 1, run.stderr
    lines = [line for line in run.stderr.splitlines() if not line.startswith("time=")]
    assert len(lines) == 1, run.stderr
    return lines[0]


def last_segment(folder: Path) -> Path:
    return max((folder / "wal").glob("*.wal"))


# ---- all killed


async def test_what_was_acknowledged_survives_the_kill_of_all_at_any_moment(tmp_path):
    random = Random(SEED)
    acknowledged: set[bytes] = set()
    flags = ("--snapshot-count=50", "--snapshot-catchup-entries=10")
    with StoreCluster(tmp_path, flags=flags) as cluster:
        for round_number in range(ROUNDS):
            cluster.start()
            async with client_of(cluster) as client:
                await check(client, acknowledged)
                writers = [
                    asyncio.create_task(write(client, b"%d/%d/" % (round_number, number), acknowledged))
                    for number in range(4)
                ]
                wanted = len(acknowledged) + random.randint(20, 200)
                await until_async("writes", lambda wanted=wanted: len(acknowledged) >= wanted)
                cluster.kill()
                for writer in writers:
                    writer.cancel()
                await asyncio.gather(*writers, return_exceptions=True)
        cluster.start()
        async with client_of(cluster) as client:
            await check(client, acknowledged)


async def write(client: Client, prefix: bytes, acknowledged: set[bytes]) -> None:
    number = 0
    while True:
        key = prefix + b"%d" % number
        number += 1
        try:
            await client.put(key, key, timeout=30)
        except Unavailable:
            continue
        acknowledged.add(key)


async def check(client: Client, acknowledged: set[bytes]) -> None:
    answer = await client.range_(b"\0", b"\0", timeout=60)
    assert {kv.key: kv.value for kv in answer.kvs}.items() >= {key: key for key in acknowledged}.items()


# ---- torn, damaged


def test_a_torn_tail_is_cut_and_the_member_goes_on(one, tmp_path):
    one.kill()
    segment = last_segment(tmp_path / "m0")
    whole = segment.read_bytes()
    segment.write_bytes(whole + encode_record(Kind.ENTRY, bytes(100))[:60])
    one.start()
    until("a write", lambda: is_written(one))
    assert one.etcdctl("get", "k", "--print-value-only") == "v\n"


def test_damage_inside_the_log_is_refused_with_file_offset_and_advice(one, tmp_path):
    one.kill()
    segment = last_segment(tmp_path / "m0")
    data = bytearray(segment.read_bytes())
    at = len(data) // 2
    data[at] ^= 1
    segment.write_bytes(data)
    line = refusal(one.command(0))
    assert f"{segment}: damaged at offset " in line
    assert int(line.split("damaged at offset ")[1].split(":")[0]) <= at
    assert "member remove" in line
    assert "--initial-cluster-state=existing" in line


def test_a_damaged_state_file_is_refused(one, tmp_path):
    one.kill()
    state = tmp_path / "m0" / "db"
    data = bytearray(state.read_bytes())
    data[:8192] = os.urandom(8192)
    state.write_bytes(data)
    assert f"--data-dir {tmp_path / 'm0'}" in refusal(one.command(0))


# ---- not ours


def test_a_log_of_a_newer_release_is_refused(one, tmp_path):
    one.kill()
    newer = (
        "import sys, pathlib; from etcdlite.mvcc import format; format.FORMAT += 1; from etcdlite import wal;"
        "log, _ = wal.open_wal(pathlib.Path(sys.argv[1])); log.roll(); log.close()"
    )
    subprocess.run([sys.executable, "-P", "-c", newer, str(tmp_path / "m0" / "wal")], cwd=ROOT, check=True)
    line = refusal(one.command(0))
    assert f"--data-dir {tmp_path / 'm0'}: written by a newer release (format {FORMAT + 1}" in line


async def test_rows_of_a_newer_release_are_refused(one, tmp_path):
    one.kill()
    backend = LmdbBackend(tmp_path / "m0" / "db", 1 << 30)
    backend.put(META, FORMAT_KEY, (FORMAT + 1).to_bytes(4, "big"))
    await backend.flush()
    backend.close()
    assert "written by a newer release" in await asyncio.to_thread(refusal, one.command(0))


# ---- wiped


def test_a_wiped_member_is_refused_until_it_is_removed_and_added(tmp_path):
    with StoreCluster(tmp_path) as cluster:
        cluster.start()
        cluster.wait_until_started()
        cluster.kill(2)
        shutil.rmtree(tmp_path / "m2")
        for state in ("new", "existing"):
            line = refusal([*cluster.command(2), f"--initial-cluster-state={state}"])
            assert "may have voted" in line
            assert "member remove" in line
        member_id = line.split("member remove ")[1].split(",")[0]
        stay = ",".join(cluster.endpoints[:2])
        cluster.etcdctl("member", "remove", member_id, endpoints=stay)
        assert "may have voted" in refusal(cluster.command(2)), "removed, but the flags are the old ones"
        cluster.etcdctl("member", "add", "m2", f"--peer-urls={cluster.peer_urls[2]}", endpoints=stay)
        assert "=existing" in refusal(cluster.command(2)), "added again, but as another"
        shutil.rmtree(tmp_path / "m2")
        cluster.start(2, flags=("--initial-cluster-state=existing",))
        until("its answer", lambda: is_written(cluster, cluster.endpoints[2]))


# ---- full


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 64 MB for the data of member 0; root may mount one."""
    folder = tmp_path / "m0"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64m", "none", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("only root may mount a small disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


async def fill(client: Client) -> None:
    for number in range(1000):
        await client.put(b"fill/%d" % number, bytes(500_000))


async def test_a_full_disk_raises_an_alarm_and_recovers_as_documented(small_disk, tmp_path):
    """One of three members has a small disk; it is he who raises the alarm, for all."""
    with StoreCluster(tmp_path) as cluster:
        cluster.start()
        async with client_of(cluster) as client:
            with pytest.raises(ClientError, match="database space exceeded"):
                await fill(client)
            assert "NOSPACE" in cluster.etcdctl("alarm", "list")
            with pytest.raises(ClientError, match="database space exceeded"):
                await client.put(b"more", b"")
            await client.delete_range(b"fill/", prefix_end(b"fill/"))
            revision = (await client.range_(b"k")).header.revision
            await client.compact(revision, physical=True)
            await until_async("room", lambda: is_roomy_after_defrag(cluster, small_disk))
            cluster.etcdctl("alarm", "disarm")
            await client.put(b"more", b"")
            assert cluster.etcdctl("alarm", "list") == ""
        assert cluster.terminate(0) == 0, "it ran all the time"


def is_roomy_after_defrag(cluster: StoreCluster, folder: Path) -> bool:
    try:
        cluster.etcdctl("defrag", endpoints=cluster.endpoints[0])
    except AssertionError:  # its compaction is still under way, so a copy needs more than there is
        return False
    disk = os.statvfs(folder)
    return disk.f_bavail > disk.f_blocks // 2


@pytest.mark.parametrize("slowly", [False, True])
async def test_a_disk_used_up_by_others_ends_the_member_and_costs_nothing_acknowledged(
    slowly, small_disk, tmp_path
):
    with StoreCluster(tmp_path, size=1) as cluster:
        cluster.start()
        acknowledged: set[bytes] = set()
        async with client_of(cluster) as client:
            writer = asyncio.create_task(write(client, b"w/", acknowledged))
            await until_async("writes", lambda: len(acknowledged) > 20)
            ballast = small_disk / "ballast"
            with pytest.raises(OSError, match="No space"), ballast.open("wb", buffering=0) as file:
                await asyncio.to_thread(use_up, file, cluster if slowly else None)
            # A member that saw in time how little is left refuses writes; deletions still go to the log.
            deleter = asyncio.create_task(delete_nothing(client))
            assert await asyncio.to_thread(cluster.wait, 0) == 1
            for task in (writer, deleter):
                task.cancel()
            await asyncio.gather(writer, deleter, return_exceptions=True)
        lines = [line for line in cluster.log(0).splitlines() if not line.startswith("time=")]
        assert len(lines) == 1
        assert "the disk failed" in lines[0]
        assert "make room" in lines[0]
        ballast.unlink()
        cluster.start()
        async with client_of(cluster) as client:
            await check(client, acknowledged)


def use_up(file, told):
    """Write until there is no room; shortly before, wait until a cluster has told of it, if one shall."""
    while True:
        file.write(bytes(1 << 20))
        disk = os.statvfs(file.fileno())
        if told is not None and disk.f_bavail < disk.f_blocks // 10:
            until("an alarm", lambda: "NOSPACE" in told.etcdctl("alarm", "list"))


async def delete_nothing(client: Client) -> None:
    while True:
        with suppress(Unavailable):
            await client.delete_range(b"nothing")
