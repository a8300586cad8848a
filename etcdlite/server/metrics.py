"""Shell: what a member counts, under etcd's names and with etcd's types, for Prometheus.

Counts are plain numbers where things happen; they are collected here when somebody asks. The names of the
process and of Python's runtime come from prometheus-client, which is imported at the first question.

Absent: what etcd counts about things this store has not: its v2 store, proxy and bbolt; Go's runtime.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from functools import cache
from typing import Any

from etcdlite.mvcc.watch import Cursors
from etcdlite.node import Node
from etcdlite.server.calls import Calls
from etcdlite.server.checks import Checks
from etcdlite.server.watch import WatchServicer
from etcdlite.stats import NO_LABELS, family, histograms
from etcdlite.version import VERSION

Rows = tuple[tuple[str, str, float], ...]


class Metrics:
    """Everything that is counted about one member."""

    def __init__(
        self, node: Node, cursors: Cursors, watches: WatchServicer, calls: Calls, checks: Checks
    ) -> None:
        self._node = node
        self._cursors = cursors
        self._watches = watches
        self._calls = calls
        self._checks = checks

    def text(self) -> str:
        """The page /metrics."""
        return "".join(self._parts())

    def _parts(self) -> Iterator[str]:
        for rows in (self._server(), self._mvcc(), self._leases_and_watches(), self._disk()):
            for name, kind, value in rows:
                yield family(name, kind, [(NO_LABELS, value)])
        yield from self._labelled()
        yield from self._disk_seconds()
        yield from self._peers()
        yield from self._grpc()
        yield runtime_text()

    def _server(self) -> Rows:
        node, status = self._node, self._node.raft.status()
        return (
            ("etcd_server_has_leader", "gauge", int(node.leader_id != 0)),
            ("etcd_server_is_leader", "gauge", int(node.is_leader)),
            ("etcd_server_is_learner", "gauge", int(node.member_id in node.members.conf_state.learners)),
            ("etcd_server_leader_changes_seen_total", "counter", node.leader_changes),
            ("etcd_server_proposals_committed_total", "gauge", status.commit),
            ("etcd_server_proposals_applied_total", "gauge", node.applied),
            ("etcd_server_proposals_pending", "gauge", len(node.proposals)),
            ("etcd_server_proposals_failed_total", "counter", node.failed_proposal_count),
            ("etcd_server_read_indexes_failed_total", "counter", node.failed_read_count),
            ("etcd_server_quota_backend_bytes", "gauge", node.limits.quota_bytes),
            ("etcd_server_snapshot_apply_in_progress_total", "gauge", int(node.is_installing)),
            ("etcd_server_health_success", "counter", self._checks.healthy_count),
            ("etcd_server_health_failures", "counter", self._checks.unhealthy_count),
            ("etcd_network_client_grpc_received_bytes_total", "counter", self._calls.received_bytes),
            ("etcd_network_client_grpc_sent_bytes_total", "counter", self._calls.sent_bytes),
            ("os_fd_used", "gauge", len(os.listdir("/proc/self/fd"))),
            ("os_fd_limit", "gauge", resource.getrlimit(resource.RLIMIT_NOFILE)[0]),
        )

    def _mvcc(self) -> Rows:
        store, backend = self._node.store, self._node.backend
        return (
            ("etcd_mvcc_db_total_size_in_bytes", "gauge", backend.size_bytes),
            ("etcd_mvcc_db_total_size_in_use_in_bytes", "gauge", backend.size_in_use_bytes),
            ("etcd_mvcc_put_total", "counter", store.put_count),
            ("etcd_mvcc_delete_total", "counter", store.delete_count),
            ("etcd_mvcc_range_total", "counter", store.range_count),
            ("etcd_mvcc_txn_total", "counter", self._node.applier.txn_count),
            ("etcd_debugging_mvcc_current_revision", "gauge", store.revision),
            ("etcd_debugging_mvcc_compact_revision", "gauge", store.compacted),
            ("etcd_debugging_mvcc_db_compaction_keys_total", "counter", store.dropped_row_count),
            ("etcd_debugging_mvcc_total_put_size_in_bytes", "gauge", store.put_bytes),
        )

    def _leases_and_watches(self) -> Rows:
        lessor, cursors = self._node.lessor, self._cursors
        return (
            ("etcd_debugging_lease_granted_total", "counter", lessor.granted_count),
            ("etcd_debugging_lease_revoked_total", "counter", lessor.revoked_count),
            ("etcd_debugging_lease_renewed_total", "counter", lessor.renewed_count),
            ("etcd_debugging_server_lease_expired_total", "counter", self._node.leasing.expired_count),
            ("etcd_debugging_mvcc_watch_stream_total", "gauge", self._watches.stream_count),
            ("etcd_debugging_mvcc_watcher_total", "gauge", len(cursors)),
            ("etcd_debugging_mvcc_slow_watcher_total", "gauge", cursors.behind_count),
            ("etcd_debugging_mvcc_events_total", "counter", cursors.event_count),
        )

    def _disk(self) -> Rows:
        return (
            ("etcd_disk_wal_write_bytes_total", "gauge", self._node.journal.wal.written_bytes),
            ("etcd_disk_defrag_inflight", "gauge", int(self._node.backend.is_defragmenting)),
        )

    def _disk_seconds(self) -> Iterator[str]:
        backend = self._node.backend
        for name, histogram in (
            ("etcd_disk_wal_fsync_duration_seconds", self._node.journal.wal.sync_seconds),
            ("etcd_disk_backend_commit_duration_seconds", backend.commit_seconds),
            ("etcd_disk_backend_defrag_duration_seconds", backend.defragment_seconds),
        ):
            yield histograms(name, [(NO_LABELS, histogram)])

    def _labelled(self) -> Iterator[str]:
        minor = VERSION.rsplit(".", 1)[0]
        for name, labels in (
            ("etcd_server_version", {"server_version": VERSION}),
            ("etcd_cluster_version", {"cluster_version": minor}),
            ("etcd_server_id", {"server_id": f"{self._node.member_id:x}"}),
        ):
            yield family(name, "gauge", [(labels, 1)])
        outcomes = self._checks.samples()
        yield family("etcd_server_healthcheck", "gauge", outcomes["newest"])
        yield family("etcd_server_healthchecks_total", "counter", outcomes["outcomes"])

    def _peers(self) -> Iterator[str]:
        node, transport = self._node, self._node.transport
        local = f"{node.member_id:x}"
        peers = [member for member in node.members.by_id if member != node.member_id]
        active = [
            ({"Local": local, "Remote": f"{peer:x}"}, int(transport.is_connected(peer))) for peer in peers
        ]
        sent = [({"To": f"{peer:x}"}, transport.sent_bytes(peer)) for peer in peers]
        yield family("etcd_network_active_peers", "gauge", active)
        yield family("etcd_network_peer_sent_bytes_total", "counter", sent)
        for name, is_ok in (("success", True), ("failures", False)):
            counts = [({"To": f"{to:x}"}, n) for (to, ok), n in node.sent_snapshots.items() if ok is is_ok]
            yield family(f"etcd_network_snapshot_send_{name}", "counter", counts)
        received = [(NO_LABELS, node.received_snapshot_count)]
        yield family("etcd_network_snapshot_receive_success", "counter", received)

    def _grpc(self) -> Iterator[str]:
        methods = self._calls.methods
        for name, attribute in (
            ("grpc_server_started_total", "started"),
            ("grpc_server_msg_received_total", "received"),
            ("grpc_server_msg_sent_total", "sent"),
        ):
            yield family(name, "counter", [(method.labels, getattr(method, attribute)) for method in methods])
        handled = [
            ({"grpc_code": code, **method.labels}, count)
            for method in methods
            for code, count in method.handled.items()
        ]
        yield family("grpc_server_handled_total", "counter", handled)
        timed = [(method.labels, method.seconds) for method in methods if method.seconds is not None]
        if timed:
            yield histograms("grpc_server_handling_seconds", timed)


def runtime_text() -> str:
    """process_* and python_*."""
    registry, generate = _runtime()
    text: str = generate(registry).decode()
    return text


@cache
def _runtime() -> tuple[Any, Any]:
    import prometheus_client

    registry = prometheus_client.CollectorRegistry()
    prometheus_client.ProcessCollector(registry=registry)
    prometheus_client.PlatformCollector(registry=registry)
    prometheus_client.GCCollector(registry=registry)
    return registry, prometheus_client.generate_latest
