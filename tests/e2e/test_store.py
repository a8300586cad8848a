"""The store through Debian's etcdctl, with the certificates from `env`."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.support.cluster import Cluster
from tests.support.wait import until

pytestmark = pytest.mark.e2e


def test_put_get_and_delete(cluster: Cluster) -> None:
    assert cluster.etcdctl("put", "/walk/a", "1") == "OK\n"
    assert cluster.etcdctl("put", "/walk/b", "2") == "OK\n"
    assert cluster.etcdctl("get", "/walk/a") == "/walk/a\n1\n"
    assert cluster.etcdctl("get", "--prefix", "--keys-only", "/walk/").split() == ["/walk/a", "/walk/b"]
    assert cluster.etcdctl("del", "--prefix", "/walk/") == "2\n"
    assert cluster.etcdctl("get", "--prefix", "/walk/") == ""


def test_kubernetes_objects_lie_where_kubernetes_puts_them(cluster: Cluster) -> None:
    keys = cluster.etcdctl("get", "--prefix", "--keys-only", "/registry/").split()
    assert "/registry/namespaces/default" in keys
    assert "/registry/serviceaccounts/default/default" in keys
    assert "/registry/minions/node1" in keys


def test_txn(cluster: Cluster) -> None:
    cluster.etcdctl("put", "/txn/a", "1")
    orders = 'value("/txn/a") = "1"\n\nput /txn/a 2\nget /txn/a\n\nput /txn/a 3\n\n'
    said = cluster.run("etcdctl", "txn", stdin=orders).stdout
    assert said.split() == ["SUCCESS", "OK", "/txn/a", "2"]
    said = cluster.run("etcdctl", "txn", stdin=orders).stdout
    assert said.split() == ["FAILURE", "OK"]
    assert cluster.etcdctl("get", "/txn/a", "--print-value-only") == "3\n"


def test_watch_by_prefix(cluster: Cluster, tmp_path: Path) -> None:
    revision = json.loads(cluster.etcdctl("get", "none", "-w", "json"))["header"]["revision"]
    seen = tmp_path / "seen"
    with seen.open("w") as out:
        watch = subprocess.Popen(
            ["etcdctl", "watch", "--prefix", "/watch/", f"--rev={revision + 1}"], env=cluster.env, stdout=out
        )
    try:
        cluster.etcdctl("put", "/watch/a", "1")
        cluster.etcdctl("del", "/watch/a")
        until("both events", lambda: "DELETE" in seen.read_text())
    finally:
        watch.terminate()
        watch.wait()
    assert seen.read_text().split() == ["PUT", "/watch/a", "1", "DELETE", "/watch/a"]


def test_a_lease_takes_its_keys_with_it(cluster: Cluster) -> None:
    lease = cluster.etcdctl("lease", "grant", "600").split()[1]
    cluster.etcdctl("put", "/lease/a", "1", f"--lease={lease}")
    assert cluster.etcdctl("lease", "revoke", lease) == f"lease {lease} revoked\n"
    assert cluster.etcdctl("get", "/lease/a") == ""


def test_status_and_members(cluster: Cluster) -> None:
    table = cluster.etcdctl("endpoint", "status", "-w", "table")
    assert table.count("https://127.0.0.1:") == 3
    assert table.count("true") == 1, "one of the three leads"
    members = cluster.etcdctl("member", "list").splitlines()
    assert sorted(line.split(", ")[2] for line in members) == ["etcd-0", "etcd-1", "etcd-2"]
    assert all("started" in line for line in members)
