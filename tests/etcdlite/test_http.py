"""Health and numbers of real members, and their names beside those of Debian's etcd."""

from __future__ import annotations

import json
import shutil
import ssl
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import grpc
import pytest
from prometheus_client.parser import text_string_to_metric_families

from etcdlite.client import Client
from etcdlite.pb import rpc_pb2, rpc_pb2_grpc
from tests.support.store_cluster import StoreCluster, free_ports
from tests.support.wait import until, until_async

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

# What etcd 3.4 exports and this store does not, because it has no such thing, or cannot know it cheaply.
ABSENT = (
    "etcd_grpc_proxy_",  # no proxy
    "etcd_debugging_store_",  # the v2 store
    "etcd_debugging_auth_revision",
    "etcd_debugging_disk_backend_commit_",  # phases of a bbolt commit
    "etcd_debugging_snap_save_",  # snapshots are no files here
    "etcd_snap_",
    "etcd_disk_backend_snapshot_",
    "etcd_debugging_mvcc_db_total_size_in_bytes",  # old names of what is etcd_mvcc_... now, gone in 3.5
    "etcd_debugging_mvcc_put_total",
    "etcd_debugging_mvcc_delete_total",
    "etcd_debugging_mvcc_range_total",
    "etcd_debugging_mvcc_txn_total",
    "etcd_debugging_mvcc_keys_total",  # the index is on disk and counts deleted keys, too
    "etcd_debugging_mvcc_pending_events_total",  # a watch is a cursor: nothing waits
    "etcd_debugging_mvcc_db_compaction_",  # times of steps; the rows are counted
    "etcd_debugging_mvcc_index_compaction_",
    "etcd_debugging_lease_ttl_total",
    "etcd_mvcc_hash_",
    "etcd_mvcc_db_open_read_transactions",
    "etcd_server_go_version",
    "etcd_server_client_requests_total",
    "etcd_server_heartbeat_send_failures_total",
    "etcd_server_learner_promote_successes",
    "etcd_server_slow_",
    "go_",
    "promhttp_",
    "process_virtual_memory_max_bytes",
)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with StoreCluster(tmp_path_factory.mktemp("http"), flags=("--metrics=extensive",)) as cluster:
        cluster.start()
        cluster.wait_until_started()
        yield cluster


def ask(cluster: StoreCluster, path: str, number: int = 0, method: str = "GET") -> tuple[int, str]:
    context = ssl.create_default_context(cafile=cluster.ca)
    context.load_cert_chain(cluster.cert, cluster.key)
    request = urllib.request.Request(cluster.metrics_urls[number] + path, method=method)
    try:
        with urllib.request.urlopen(request, context=context) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
    except urllib.error.URLError:
        return 0, ""


def samples(text: str) -> dict[str, float]:
    """Values by name and labels, as they are written."""
    lines = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, _, value in lines}


def types(text: str) -> dict[str, str]:
    return dict(line.split()[2:4] for line in text.splitlines() if line.startswith("# TYPE "))


def test_a_member_that_is_well_says_so(cluster):
    assert ask(cluster, "/health") == (200, '{"health":"true","reason":""}')
    assert ask(cluster, "/health?serializable=true")[0] == 200
    assert ask(cluster, "/livez") == (200, "ok\n")
    assert ask(cluster, "/readyz") == (200, "ok\n")
    assert ask(cluster, "/livez?verbose") == (200, "[+]serializable_read ok\nok\n")
    checks = ("data_corruption", "linearizable_read", "non_learner", "serializable_read")
    assert ask(cluster, "/readyz?verbose") == (200, "".join(f"[+]{name} ok\n" for name in checks) + "ok\n")
    assert ask(cluster, "/readyz/linearizable_read?verbose") == (200, "[+]linearizable_read ok\nok\n")
    assert ask(cluster, "/readyz?verbose&exclude=non_learner")[1].count("[+]") == 3
    assert json.loads(ask(cluster, "/version")[1]) == {
        "etcdserver": "3.6.5",
        "etcdcluster": "3.6.0",
        "storage": "3.6.0",
    }


def test_what_is_not_there(cluster):
    assert ask(cluster, "/nothing") == (404, "404 page not found\n")
    assert ask(cluster, "/livez/linearizable_read")[0] == 404
    assert ask(cluster, "/health", method="POST")[0] == 405


def test_an_alarm_is_told_unless_excluded(cluster):
    members = {
        line.split(", ")[2]: line.split(", ")[0] for line in cluster.etcdctl("member", "list").splitlines()
    }
    channel_alarm(cluster, int(members["m1"], 16), activate=True)
    try:
        until("the alarm", lambda: ask(cluster, "/health")[0] == 503)
        assert ask(cluster, "/health") == (503, '{"health":"false","reason":"ALARM NOSPACE"}')
        assert ask(cluster, "/health?exclude=NOSPACE")[0] == 200
        assert ask(cluster, "/livez")[0] == ask(cluster, "/readyz")[0] == 200, (
            "it can be read, and need not be restarted"
        )
    finally:
        cluster.etcdctl("alarm", "disarm")


def channel_alarm(cluster: StoreCluster, member: int, *, activate: bool) -> None:
    """Raise NOSPACE for a member, as only members do otherwise."""
    files = [Path(path).read_bytes() for path in (cluster.ca, cluster.key, cluster.cert)]
    with grpc.secure_channel(
        cluster.endpoints[0].removeprefix("https://"), grpc.ssl_channel_credentials(*files)
    ) as channel:
        request = rpc_pb2.AlarmRequest(action=int(activate), memberID=member, alarm=1)
        rpc_pb2_grpc.MaintenanceStub(channel).Alarm(request, wait_for_ready=True)


def test_without_a_quorum_a_member_lives_and_is_not_ready(tmp_path):
    with StoreCluster(tmp_path) as cluster:
        cluster.start()
        until("a leader", lambda: ask(cluster, "/health")[0] == 200)
        cluster.kill(1, 2)
        until(
            "the loss",
            lambda: ask(cluster, "/health") == (503, '{"health":"false","reason":"RAFT NO LEADER"}'),
        )
        assert ask(cluster, "/health?serializable=true")[0] == 200
        assert ask(cluster, "/livez")[0] == 200
        status, text = ask(cluster, "/readyz?exclude=serializable_read")
        assert status == 503
        assert "[-]linearizable_read failed: etcdserver: request timed out" in text
        assert "[+]data_corruption ok" in text


def test_client_urls_for_http_alone(tmp_path):
    (port,) = free_ports(1)
    with StoreCluster(
        tmp_path, size=1, flags=(f"--listen-client-http-urls=http://127.0.0.1:{port}",)
    ) as cluster:
        cluster.start()
        until("a leader", lambda: ask(cluster, "/health")[0] == 200)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health") as answer:
            assert answer.status == 200


# ---- numbers


async def test_numbers_count_what_happened(cluster):
    before = samples(ask(cluster, "/metrics")[1])
    async with Client([cluster.endpoints[0]], cluster.ca, cluster.cert, cluster.key, timeout=30) as client:
        for number in range(20):
            await client.put(b"n/%d" % number, b"x" * 100)
        await client.range_(b"n/1")
        with pytest.raises(Exception, match="key is not provided"):
            await client.put(b"", b"")
        async with client.watch(b"n/0", start_revision=1) as watcher:
            await anext(watcher)
            during = samples(ask(cluster, "/metrics")[1])
    kv = 'grpc_service="etcdserverpb.KV",grpc_type="unary"'

    def grown(name: str) -> float:
        return during[name] - before.get(name, 0)

    assert grown("etcd_mvcc_put_total") == 20
    assert grown("etcd_server_proposals_applied_total") >= 20
    assert grown(f'grpc_server_started_total{{grpc_method="Put",{kv}}}') == 21
    assert grown(f'grpc_server_handled_total{{grpc_code="OK",grpc_method="Put",{kv}}}') == 20
    assert grown(f'grpc_server_handled_total{{grpc_code="InvalidArgument",grpc_method="Put",{kv}}}') == 1
    assert grown(f'grpc_server_handling_seconds_count{{grpc_method="Put",{kv}}}') == 21
    assert grown("etcd_network_client_grpc_received_bytes_total") > 2000
    assert grown("etcd_disk_wal_fsync_duration_seconds_count") > 0
    assert grown("etcd_disk_wal_write_bytes_total") > 2000
    assert (
        during["etcd_debugging_mvcc_watcher_total"] == during["etcd_debugging_mvcc_watch_stream_total"] == 1
    )
    assert during["etcd_debugging_mvcc_slow_watcher_total"] == 0
    assert during["process_resident_memory_bytes"] > 1 << 20
    assert sum(name.startswith("etcd_network_active_peers") for name in during) == 2

    def watchers() -> float:
        return samples(ask(cluster, "/metrics")[1])["etcd_debugging_mvcc_watcher_total"]

    await until_async("the watch to go", lambda: watchers() == 0)


def test_the_page_is_what_prometheus_reads(cluster):
    families = list(text_string_to_metric_families(ask(cluster, "/metrics")[1]))
    assert len({metric.name for metric in families}) == len(families), "each name once"


@pytest.mark.skipif(not shutil.which("etcd"), reason="Debian's etcd is not installed")
def test_names_and_types_are_etcds(cluster, tmp_path):
    client, peer = free_ports(2)
    urls = [f"http://127.0.0.1:{port}" for port in (client, peer)]
    command = [
        "etcd", f"--data-dir={tmp_path / 'etcd'}", f"--listen-client-urls={urls[0]}", "--log-level=error",
        f"--advertise-client-urls={urls[0]}", f"--listen-peer-urls={urls[1]}",
        f"--initial-advertise-peer-urls={urls[1]}", f"--initial-cluster=default={urls[1]}",
    ]  # fmt: skip
    etcd = subprocess.Popen(command, stderr=subprocess.DEVNULL)

    def page() -> str:
        try:
            with urllib.request.urlopen(f"{urls[0]}/metrics") as answer:
                return answer.read().decode()
        except urllib.error.URLError:
            return ""

    try:
        theirs = types(until("etcd's numbers", page))
    finally:
        etcd.kill()
        etcd.wait()
    ours = types(ask(cluster, "/metrics")[1])
    expected = {name: kind for name, kind in theirs.items() if not name.startswith(ABSENT) or name in ours}
    assert {name: ours.get(name, "absent") for name in expected} == expected
