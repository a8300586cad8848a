"""Debian's etcdctl, every command: our members over TLS beside a real etcd, the same words from both.

What names members, leases or times is compared with those masked; what only several members can do
(move-leader, member remove) is asked of ours alone. `check perf` takes a minute and asserts speed: it is run
by hand (see benchmarks/README.md for speed).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from tests.support.store_cluster import StoreCluster, free_ports
from tests.support.wait import until

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.slow,
    pytest.mark.skipif(
        not (shutil.which("etcd") and shutil.which("etcdctl")), reason="etcd is not installed"
    ),
]
MASKS = ((r"\b[0-9a-f]{15,16}\b", "ID"), (r"took = [^\n]+", "took"), (r"remaining\(\d+s\)", "remaining"))
ENVIRONMENT = {**os.environ, "ETCDCTL_API": "3"}


@dataclass
class Outcome:
    """What a command printed, and its exit code."""

    code: int
    stdout: str
    stderr: str


@dataclass
class Store:
    """A store as etcdctl sees it."""

    flags: list[str]
    endpoints: str

    def command(self, *args: str) -> list[str]:
        return ["etcdctl", *self.flags, f"--endpoints={self.endpoints}", *args]

    def run(self, *args: str, stdin: str | None = None) -> Outcome:
        run = subprocess.run(
            self.command(*args), input=stdin, capture_output=True, text=True, env=ENVIRONMENT, check=False
        )
        return Outcome(run.returncode, run.stdout, run.stderr)

    def __call__(self, *args: str, stdin: str | None = None) -> str:
        outcome = self.run(*args, stdin=stdin)
        assert outcome.code == 0, outcome.stderr
        return outcome.stdout

    @contextmanager
    def running(self, *args: str) -> Iterator[subprocess.Popen[str]]:
        """A command that goes on until the end of the block."""
        process = subprocess.Popen(
            self.command(*args), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT
        )
        try:
            yield process
        finally:
            process.kill()
            process.communicate()


@dataclass
class Both:
    """The two stores; calling it asks both and returns what both said."""

    ours: Store
    theirs: Store
    cluster: StoreCluster

    def __call__(self, *args: str, stdin: str | None = None) -> str:
        outcomes = [store.run(*args, stdin=stdin) for store in (self.ours, self.theirs)]
        ours, theirs = (masked(outcome.stdout) for outcome in outcomes)
        assert ours == theirs
        assert outcomes[0].code == outcomes[1].code
        return ours

    def refused(self, *args: str) -> str:
        """Both fail with the same words."""
        ours, theirs = (store.run(*args) for store in (self.ours, self.theirs))
        assert (ours.code != 0, error_of(ours)) == (theirs.code != 0, error_of(theirs))
        assert ours.code != 0
        return error_of(ours)

    @property
    def stores(self) -> tuple[Store, Store]:
        return self.ours, self.theirs


def masked(text: str) -> str:
    for pattern, word in MASKS:
        text = re.sub(pattern, word, text)
    return text


def error_of(outcome: Outcome) -> str:
    """The line for people, without the client's log."""
    return masked(outcome.stderr.strip().splitlines()[-1]) if outcome.stderr.strip() else ""


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    client, peer = (f"http://127.0.0.1:{port}" for port in free_ports(2))
    command = [
        "etcd", f"--data-dir={tmp_path_factory.mktemp('etcd') / 'data'}", f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}", f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}", f"--initial-cluster=default={peer}",
    ]  # fmt: skip
    with (
        StoreCluster(tmp_path_factory.mktemp("ours")) as cluster,
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as etcd,
    ):
        try:
            cluster.start()
            files = [f"--cacert={cluster.ca}", f"--cert={cluster.cert}", f"--key={cluster.key}"]
            stores = Both(Store(files, ",".join(cluster.endpoints)), Store([], client), cluster)
            for store in stores.stores:
                until("a write", lambda store=store: store.run("put", "warm", "up").code == 0)
            cluster.wait_until_started()
            yield stores
        finally:
            etcd.kill()


def lines_of(process: subprocess.Popen[str], count: int) -> list[str]:
    assert process.stdout is not None
    return [process.stdout.readline().rstrip("\n") for _ in range(count)]


# ---- keys


def test_put_get_del(both):
    for number in range(5):
        assert both("put", f"/a/{number}", f"v{number}") == "OK\n"
    assert both("put", "/a/1", "w", "--prev-kv") == "OK\n/a/1\nv1\n"
    assert both("put", "/a/1", "--ignore-value") == "OK\n"
    assert both("get", "/a/1") == "/a/1\nw\n"
    assert both("get", "/a/", "--prefix", "--keys-only").split() == [f"/a/{n}" for n in range(5)]
    assert both("get", "/a/3", "--from-key", "--limit=1", "--print-value-only") == "v3\n"
    assert both("get", "/a/1", "/a/3", "--sort-by=MODIFY", "--order=DESCEND").split()[::2] == ["/a/1", "/a/2"]
    assert both("get", "/none") == ""
    assert both("del", "/a/4", "--prev-kv") == "1\n/a/4\nv4\n"
    assert both("del", "/a/", "--prefix") == "4\n"
    assert "key is not provided" in both.refused("put", "", "x")


def test_an_old_revision(both):
    for store in both.stores:
        store("put", "/old", "1")
        revision = int(re.search(r'"revision":(\d+)', store("get", "/old", "-w", "json"))[1])
        store("put", "/old", "2")
        assert store("get", "/old", f"--rev={revision}", "--print-value-only") == "1\n"
    assert "required revision is a future revision" in both.refused("get", "/old", "--rev=1000000")


def test_txn(both):
    both("put", "/t", "x")
    text = 'value("/t") = "x"\nversion("/t") > "0"\n\nput /t y\nget /t\n\nput /t n\n\n'
    assert both("txn", stdin=text).split() == ["SUCCESS", "OK", "/t", "y"]
    assert both("txn", stdin=text).split() == ["FAILURE", "OK"]
    assert both("txn", "-i", stdin='mod("/none") = "0"\n\ndel /t\n\nget /t\n\n').split()[-2:] == [
        "SUCCESS",
        "1",
    ]


# ---- watches


def test_watch(both):
    for store in both.stores:
        with store.running("watch", "--prefix", "/w/", "--rev", "1", "--prev-kv") as watch:
            store("put", "/w/1", "x")
            store("put", "/w/1", "y")
            store("del", "/w/1")
            assert lines_of(watch, 3) == ["PUT", "/w/1", "x"]
            assert lines_of(watch, 5) == ["PUT", "/w/1", "x", "/w/1", "y"]
            assert lines_of(watch, 5) == ["DELETE", "/w/1", "y", "/w/1", ""]


def test_watch_interactively(both):
    for store in both.stores:
        with store.running("watch", "-i") as watch:
            assert watch.stdin is not None
            watch.stdin.write("watch /i/a --rev 1\nwatch /i/b --rev 1\n")
            watch.stdin.flush()
            store("put", "/i/a", "1")
            assert lines_of(watch, 3) == ["PUT", "/i/a", "1"]
            store("put", "/i/b", "2")
            assert lines_of(watch, 3) == ["PUT", "/i/b", "2"]


def test_watch_runs_a_command_for_each_event(both):
    for store in both.stores:
        command = "echo $ETCD_WATCH_EVENT_TYPE $ETCD_WATCH_KEY $ETCD_WATCH_VALUE"
        with store.running("watch", "/x", "--rev", "1", "--", "sh", "-c", command) as watch:
            store("put", "/x", "1")
            assert lines_of(watch, 4) == ["PUT", "/x", "1", '"PUT" "/x" "1"']


def test_a_watch_of_what_is_compacted_ends(both):
    for store in both.stores:
        for number in range(3):
            store("put", "/gone", str(number))
        revision = int(re.search(r'"revision":(\d+)', store("get", "/gone", "-w", "json"))[1])
        store("compaction", str(revision))
        outcome = store.run("watch", "/gone", "--rev", "1")
        assert "required revision has been compacted" in outcome.stderr


# ---- leases


def test_leases(both):
    for store in both.stores:
        granted = store("lease", "grant", "100")
        lease = granted.split()[1]
        assert re.fullmatch(r"lease \w+ granted with TTL\(100s\)\n", granted)
        store("put", "/leased", "x", f"--lease={lease}")
        remaining = store("lease", "timetolive", lease, "--keys")
        assert re.fullmatch(
            rf"lease {lease} granted with TTL\(100s\), remaining\(\d+s\), attached keys\(\[/leased\]\)\n",
            remaining,
        )
        assert lease in store("lease", "list")
        assert store("lease", "keep-alive", "--once", lease) == f"lease {lease} keepalived with TTL(100)\n"
        assert store("lease", "revoke", lease) == f"lease {lease} revoked\n"
        assert store("get", "/leased") == ""
        assert store("lease", "timetolive", lease) == f"lease {lease} already expired\n"
    assert "requested lease not found" in both.refused("lease", "revoke", "1234")
    assert "requested lease not found" in both.refused("put", "k", "v", "--lease=1234")


def test_a_lease_expires(both):
    for store in both.stores:
        lease = store("lease", "grant", "1").split()[1]
        store("put", "/short", "x", f"--lease={lease}")
        until("the lease to expire", lambda store=store: store("get", "/short") == "")


# ---- locks and elections


def test_lock(both):
    for store in both.stores:
        with store.running("lock", "mine") as holder:
            (key,) = lines_of(holder, 1)
            assert re.fullmatch(r"mine/[0-9a-f]+", key)
            with store.running("lock", "mine", "--", "sh", "-c", "echo $ETCD_LOCK_KEY") as waiter:
                until(
                    "both in the queue",
                    lambda store=store: store("get", "mine/", "--prefix", "--keys-only").count("mine/") == 2,
                )
                holder.terminate()
                (second,) = lines_of(waiter, 1)
                assert re.fullmatch(r"mine/[0-9a-f]+", second)
                assert second != key
                assert waiter.wait(20) == 0
        until("the lock to go", lambda store=store: store("get", "mine/", "--prefix") == "")


def test_elect(both):
    for store in both.stores:
        with store.running("elect", "boss", "p1") as leader:
            key, value = lines_of(leader, 2)
            assert re.fullmatch(r"boss/[0-9a-f]+", key)
            assert value == "p1"
            with store.running("elect", "--listen", "boss") as observer:
                assert lines_of(observer, 2) == [key, "p1"]
                with store.running("elect", "boss", "p2") as heir:
                    until(
                        "both in the queue",
                        lambda store=store: (
                            store("get", "boss/", "--prefix", "--keys-only").count("boss/") == 2
                        ),
                    )
                    leader.terminate()
                    heir_key, value = lines_of(heir, 2)
                    assert value == "p2"
                    assert lines_of(observer, 2) == [heir_key, "p2"]


# ---- maintenance


def test_compaction(both):
    for store in both.stores:
        store("put", "/c", "1")
        revision = int(re.search(r'"revision":(\d+)', store("get", "/c", "-w", "json"))[1])
        assert store("compaction", str(revision), "--physical") == f"compacted revision {revision}\n"
        assert store("get", "/c", f"--rev={revision}", "--print-value-only") == "1\n"
        assert "has been compacted" in store.run("get", "/c", f"--rev={revision - 1}").stderr
        assert "has been compacted" in store.run("compaction", str(revision)).stderr
    assert "future revision" in both.refused("compaction", "1000000")


def test_defrag_and_alarms(both):
    for store in both.stores:
        answers = store("defrag").splitlines()
        assert answers == [f"Finished defragmenting etcd member[{url}]" for url in store.endpoints.split(",")]
    assert both("alarm", "list") == ""
    assert both("alarm", "disarm") == ""


def test_endpoint(both):
    for store in both.stores:
        count = len(store.endpoints.split(","))
        healthy = store.run("endpoint", "health")
        assert (healthy.stdout + healthy.stderr).count(
            "is healthy: successfully committed proposal: took = "
        ) == count
        statuses = [line.split(", ") for line in store("endpoint", "status").splitlines()]
        assert [status[4] for status in statuses].count("true") == 1
        assert {status[5] for status in statuses} == {"false"}, "no learners"
        hashes = {line.split(", ")[1] for line in store("endpoint", "hashkv").splitlines()}
        assert len(hashes) == 1
    assert both.ours("endpoint", "status", "-w", "table").count(" 3.6.5 ") == 3
    assert len(both.ours("endpoint", "status", "--cluster").splitlines()) == 3


# ---- members


def test_member_list_add_update_remove(both):
    for store in both.stores:
        before = store("member", "list")
        assert all(
            re.fullmatch(r"[0-9a-f]+, started, \S+, https?://\S+, https?://\S+, false", line)
            for line in before.splitlines()
        )
    cluster, ours = both.cluster, both.ours
    (port,) = free_ports(1)
    added = ours("member", "add", "m3", f"--peer-urls=https://127.0.0.1:{port}")
    member = re.match(r"Member\s+([0-9a-f]+) added to cluster\s+[0-9a-f]+\n", added)[1]
    assert f"m3=https://127.0.0.1:{port}" in added
    assert 'ETCD_INITIAL_CLUSTER_STATE="existing"' in added
    assert f"{member}, unstarted, , https://127.0.0.1:{port}, , false" in ours("member", "list")
    again = ours.run("member", "add", "m3", f"--peer-urls=https://127.0.0.1:{port}")
    assert "Peer URLs already exists" in again.stderr
    other = f"https://127.0.0.1:{port + 1}"
    assert f"Member {member:>16} updated in cluster" in ours(
        "member", "update", member, f"--peer-urls={other}"
    )
    assert other in ours("member", "list")
    assert re.fullmatch(
        rf"Member\s+{member} removed from cluster\s+[0-9a-f]+\n", ours("member", "remove", member)
    )
    assert len(ours("member", "list").splitlines()) == cluster.size
    assert "member not found" in both.refused("member", "remove", "1234").lower()


def test_move_leader(both):
    ours = both.ours
    members = [line.split(", ")[0] for line in ours("member", "list").splitlines()]
    statuses = [line.split(", ") for line in ours("endpoint", "status").splitlines()]
    leader = next(status[1] for status in statuses if status[4] == "true")
    heir = next(member for member in members if member != leader)
    assert ours("move-leader", heir) == f"Leadership transferred from {leader} to {heir}\n"
    followers = ",".join(status[0] for status in statuses if status[1] not in (heir,))
    refused = Store(ours.flags, followers).run("move-leader", leader)
    assert "no leader endpoint given at" in refused.stderr


# ---- from one store to another


def test_make_mirror(both):
    cluster = both.cluster
    both.ours("put", "/mirror/1", "old")
    with both.ours.running("make-mirror", both.theirs.endpoints, "--prefix=/mirror/"):
        until("what was there", lambda: both.theirs("get", "/mirror/1", "--print-value-only") == "old\n")
        both.ours("put", "/mirror/2", "new")
        until("what came", lambda: both.theirs("get", "/mirror/2", "--print-value-only") == "new\n")
        both.ours("del", "/mirror/1")
        until("what went", lambda: both.theirs("get", "/mirror/1") == "")
    back = [f"--dest-cacert={cluster.ca}", f"--dest-cert={cluster.cert}", f"--dest-key={cluster.key}"]
    back += ["--dest-insecure-transport=false", "--prefix=/back/", "--dest-prefix=/from/etcd/"]
    both.theirs("put", "/back/1", "x")
    with both.theirs.running("make-mirror", cluster.endpoints[0], *back):
        until("the way back", lambda: both.ours("get", "/from/etcd/1", "--print-value-only") == "x\n")
