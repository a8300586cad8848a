"""Snapshots as files: saved from real members, checked, and restored to new clusters."""

from __future__ import annotations

import subprocess
import sys

import pytest

from etcdlite.client import Client, Compacted, prefix_end
from tests.support.store_cluster import ROOT, StoreCluster
from tests.support.wait import until

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def client_of(cluster: StoreCluster) -> Client:
    return Client(cluster.endpoints, cluster.ca, cluster.cert, cluster.key, timeout=30)


def ctl(*arguments: str, cluster: StoreCluster | None = None) -> subprocess.CompletedProcess[str]:
    flags = []
    if cluster is not None:
        endpoints = ",".join(cluster.endpoints)
        flags = [
            f"--endpoints={endpoints}",
            f"--cacert={cluster.ca}",
            f"--cert={cluster.cert}",
            f"--key={cluster.key}",
        ]
    command = [sys.executable, "-P", "-m", "etcdlite.ctl", *flags, "snapshot", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)


def restored(file, folder, **options) -> StoreCluster:
    """Three members restored from a file, not yet started."""
    folder.mkdir()
    cluster = StoreCluster(folder)
    peers = ",".join(f"m{number}={url}" for number, url in enumerate(cluster.peer_urls))
    extra = [
        f"--{name.replace('_', '-')}={value}" if value is not True else f"--{name.replace('_', '-')}"
        for name, value in options.items()
    ]
    for number in range(cluster.size):
        run = ctl(
            "restore",
            str(file),
            f"--data-dir={folder / f'm{number}'}",
            f"--name=m{number}",
            f"--initial-cluster={peers}",
            *extra,
        )
        assert run.returncode == 0, run.stderr
    return cluster


def hashes(cluster: StoreCluster) -> set[str]:
    return {line.split(", ")[1] for line in cluster.etcdctl("endpoint", "hashkv").splitlines()}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A file, the range in it, a lease with a key, and the old cluster's id."""
    folder = tmp_path_factory.mktemp("saved")
    with StoreCluster(folder) as cluster:
        cluster.start()
        cluster.wait_until_started()
        for number in range(30):
            cluster.etcdctl("put", f"k/{number}", "v" * 1000)
        cluster.etcdctl("del", "k/7")
        lease = cluster.etcdctl("lease", "grant", "3600").split()[1]
        cluster.etcdctl("put", "leased", "x", f"--lease={lease}")
        run = ctl("save", str(folder / "state"), cluster=cluster)
        assert run.returncode == 0, run.stderr
        assert run.stdout.startswith(f"Snapshot saved at {folder / 'state'}, revision 33, ")
        assert not (folder / "state.part").exists()
        cluster_id = (
            cluster.etcdctl("endpoint", "status", "-w", "fields").split('"ClusterID" : ')[1].split()[0]
        )
        yield folder / "state", int(lease, 16), int(cluster_id)


def test_status_tells_what_is_in_a_file(saved):
    file, _, _ = saved
    digest, revision, keys, size = ctl("status", str(file)).stdout.split(", ")
    assert len(digest) == 8
    assert (revision, keys, size) == ("33", "30", f"{file.stat().st_size} B\n")


async def test_a_new_cluster_has_the_old_keys_leases_and_revision(saved, tmp_path):
    file, lease, old_cluster = saved
    with restored(file, tmp_path / "new") as cluster:
        cluster.start()
        async with client_of(cluster) as client:
            answer = await client.range_(b"k/", prefix_end(b"k/"), timeout=60)
            assert answer.count == 29
            assert answer.header.revision == 33
            assert answer.header.cluster_id != old_cluster
            assert (await client.range_(b"k/7", revision=31)).count == 1, "history came along"
            assert list((await client.lease_time_to_live(lease, keys=True)).keys) == [b"leased"]
            await client.put(b"k/new", b"")
        until("equal hashes", lambda: len(hashes(cluster)) == 1)
        cluster.kill()
        cluster.start()
        async with client_of(cluster) as client:
            assert (await client.range_(b"k/new", timeout=60)).count == 1


async def test_a_raised_revision_ends_old_watches(saved, tmp_path):
    file, _, _ = saved
    with restored(file, tmp_path / "new", bump_revision=1000, mark_compacted=True) as cluster:
        cluster.start()
        async with client_of(cluster) as client:
            answer = await client.range_(b"k/", prefix_end(b"k/"), timeout=60)
            assert (answer.count, answer.header.revision) == (29, 1033)
            with pytest.raises(Compacted):
                await client.range_(b"k/1", revision=1032)
            with pytest.raises(Compacted):
                async with client.watch(b"k/", start_revision=34) as watcher:
                    await anext(watcher)
            assert (await client.put(b"k/1", b"new")).header.revision == 1034
        until("equal hashes", lambda: len(hashes(cluster)) == 1)


def test_members_from_different_files_are_of_different_clusters(saved, tmp_path):
    file, _, _ = saved
    with restored(file, tmp_path / "new") as cluster:
        cluster.start(0, 1)
        until("a write", lambda: is_written(cluster, 0))
        run = ctl("save", str(tmp_path / "other"), cluster=cluster)
        assert run.returncode == 0, run.stderr
        peers = ",".join(f"m{number}={url}" for number, url in enumerate(cluster.peer_urls))
        stranger = tmp_path / "stranger"
        made = ctl(
            "restore",
            str(tmp_path / "other"),
            f"--data-dir={stranger}",
            "--name=m2",
            f"--initial-cluster={peers}",
        )
        assert made.returncode == 0
        assert "of cluster" in made.stdout
        first = ctl(
            "restore",
            str(file),
            f"--data-dir={tmp_path / 'again'}",
            "--name=m2",
            f"--initial-cluster={peers}",
        )
        assert made.stdout.split("of cluster ")[1] != first.stdout.split("of cluster ")[1]


def is_written(cluster: StoreCluster, number: int) -> bool:
    try:
        return cluster.etcdctl("put", "w", "x", endpoints=cluster.endpoints[number]) == "OK\n"
    except AssertionError:
        return False


@pytest.mark.parametrize("at", [0, 30, -1, -40, 5000])
def test_a_damaged_file_is_refused(saved, tmp_path, at):
    data = bytearray(saved[0].read_bytes())
    data[at] ^= 1
    (tmp_path / "damaged").write_bytes(data)
    for command in (("status",), ("restore", f"--data-dir={tmp_path / 'd'}")):
        run = ctl(command[0], str(tmp_path / "damaged"), *command[1:])
        assert run.returncode == 1
        assert run.stderr.startswith(f"Error: {tmp_path / 'damaged'}: ")
        assert run.stderr.count("\n") == 1
    assert not (tmp_path / "d").exists()


def test_what_makes_no_sense_is_said_in_one_line(saved, tmp_path):
    file = str(saved[0])
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "x").touch()
    for arguments, says in (
        (("status", "/nowhere"), "No such file"),
        (("restore", file, f"--data-dir={tmp_path / 'used'}"), "not empty"),
        (("restore", file, f"--data-dir={tmp_path / 'd'}", "--mark-compacted"), "--bump-revision"),
        (
            ("restore", file, f"--data-dir={tmp_path / 'd'}", "--initial-cluster=x=http://a:1"),
            "--name default",
        ),
    ):
        run = ctl(*arguments)
        assert run.returncode == 1
        assert says in run.stderr
        assert run.stderr.count("\n") == 1
    assert not (tmp_path / "d").exists()


def test_etcdctl_is_told_to_use_ours(tmp_path):
    with StoreCluster(tmp_path, size=1) as cluster:
        cluster.start()
        until("a write", lambda: is_written(cluster, 0))
        with pytest.raises(AssertionError, match=r"etcdlite\.ctl snapshot save"):
            cluster.etcdctl("snapshot", "save", str(tmp_path / "file"))
        assert not (tmp_path / "file").exists()
