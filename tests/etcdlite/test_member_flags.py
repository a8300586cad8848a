"""What flags do in real members: sizes, pings, compaction by itself, a configuration file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from etcdlite.client import Client, ClientError
from tests.support.store_cluster import ROOT, StoreCluster
from tests.support.wait import until, until_async

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def client_of(cluster: StoreCluster) -> Client:
    return Client(cluster.endpoints, cluster.ca, cluster.cert, cluster.key, timeout=30)


async def test_sizes_of_requests_and_transactions(tmp_path):
    flags = ("--max-request-bytes=10000", "--max-txn-ops=2")
    with StoreCluster(tmp_path, size=1, flags=flags) as cluster:
        cluster.start()
        async with client_of(cluster) as client:
            await client.put(b"k", bytes(9000))
            with pytest.raises(ClientError, match="request is too large"):
                await client.put(b"k", bytes(11_000))
        txn = "\n\nput a 1\nput b 1\nput c 1\n\n\n"
        with pytest.raises(AssertionError, match="too many operations in txn request"):
            cluster.etcdctl("txn", stdin=txn)


async def test_history_goes_by_itself_and_only_the_leader_makes_it_go(tmp_path):
    flags = ("--auto-compaction-mode=periodic", "--auto-compaction-retention=1s")
    with StoreCluster(tmp_path, flags=flags) as cluster:
        cluster.start()
        async with client_of(cluster) as client:
            first = (await client.put(b"k", b"1")).header.revision
            await client.put(b"k", b"2")

            async def is_gone() -> bool:
                try:
                    await client.range_(b"k", revision=first)
                except ClientError as error:
                    return "has been compacted" in str(error)
                return False

            await until_async("the compaction", is_gone)
        assert sum("compacted by itself" in cluster.log(number) for number in range(3)) == 1


def test_pre_vote_may_be_left_out(tmp_path):
    with StoreCluster(tmp_path, flags=("--pre-vote=false",)) as cluster:
        cluster.start()
        until("a leader", lambda: "role=leader" in "".join(map(cluster.log, range(3))))
        assert "pre_candidate" not in "".join(map(cluster.log, range(3)))


def test_a_member_from_a_file(tmp_path):
    with StoreCluster(tmp_path, size=1) as cluster:
        flags = dict(
            part[2:].split("=", 1) for part in cluster.command(0) if part.startswith("--") and "=" in part
        )
        blocks = {"client-transport-security": "", "peer-transport-security": "peer-"}
        names = ("cert-file", "key-file", "trusted-ca-file")
        lines = [f"{name}: {value}" for name, value in flags.items() if not name.endswith("-file")]
        for block, prefix in blocks.items():
            lines += [f"{block}:", *(f"  {name}: {flags[prefix + name]}" for name in names)]
            lines.append("  client-cert-auth: true")
        path = tmp_path / "member.yaml"
        path.write_text("\n".join(lines))
        with (tmp_path / "m0.log").open("ab") as log:
            command = [sys.executable, "-P", "-m", "etcdlite", f"--config-file={path}", "--name=not-this"]
            member = subprocess.Popen(command, stderr=log, cwd=ROOT)
        try:
            until("its answer", lambda: is_answered(cluster))
            assert ", m0, " in cluster.etcdctl("member", "list")
        finally:
            member.terminate()
            assert member.wait(20) == 0
        log_text = Path(tmp_path / "m0.log").read_text()
        assert 'msg="only the file counts" ignored=--name' in log_text


def is_answered(cluster: StoreCluster) -> bool:
    try:
        return cluster.etcdctl("put", "k", "v") == "OK\n"
    except AssertionError:
        return False


def test_removing_a_member_that_others_cannot_do_without_is_refused(tmp_path):
    with StoreCluster(tmp_path) as cluster:
        cluster.start()
        cluster.wait_until_started()
        members = {
            line.split(", ")[2]: line.split(", ")[0]
            for line in cluster.etcdctl("member", "list").splitlines()
        }
        cluster.kill(2)
        here = ",".join(cluster.endpoints[:2])
        until("the loss to be noticed", lambda: "unhealthy" in refusal(cluster, here, members["m1"]))
        assert "removed" in cluster.etcdctl("member", "remove", members["m2"], endpoints=here)


def refusal(cluster: StoreCluster, endpoints: str, member: str) -> str:
    with pytest.raises(AssertionError) as caught:
        cluster.etcdctl("member", "remove", member, endpoints=endpoints)
    return str(caught.value)
