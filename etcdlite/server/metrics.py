"""Shell: health and numbers over HTTPS, with etcd's answers and names.

    /health /livez /readyz /healthz /version /metrics

A request is one line and headers, an answer closes the connection: enough for probes and Prometheus, and
too little to need a web framework in a process whose start is mostly imports.

After: etcd server/etcdserver/api/etcdhttp.
"""

from __future__ import annotations

import asyncio
import json
import resource
import ssl
from collections.abc import Iterator
from urllib.parse import urlsplit

from etcdlite.commands import AlarmType
from etcdlite.errors import StoreError
from etcdlite.node import Node
from etcdlite.version import VERSION

REQUEST_SECONDS = 10.0
HEAD_BYTES_MAX = 16 * 1024
OK, NOT_FOUND, UNHEALTHY = "200 OK", "404 Not Found", "503 Service Unavailable"


class MetricsServer:
    """One small listener."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self._servers: list[asyncio.Server] = []

    async def listen(self, url: str, tls: ssl.SSLContext | None) -> None:
        """Begin to answer at this URL."""
        parts = urlsplit(url)
        context = tls if parts.scheme == "https" else None
        self._servers.append(
            await asyncio.start_server(
                self._serve, parts.hostname, parts.port, ssl=context, limit=HEAD_BYTES_MAX
            )
        )

    async def close(self) -> None:
        """Stop listening."""
        for server in self._servers:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
                status, kind, body = await self._answer(_path(head))
                payload = body.encode()
                writer.write(
                    f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(payload)}\r\n"
                    "Connection: close\r\n\r\n".encode()
                    + payload
                )
                await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # who asks like that gets no answer
        finally:
            writer.close()

    async def _answer(self, path: str) -> tuple[str, str, str]:
        match path:
            case "/health":
                problem = await self._problem()
                body = {"health": "false" if problem else "true", "reason": problem}
                return UNHEALTHY if problem else OK, "application/json", _json(body)
            case "/livez" | "/healthz":
                return OK, "text/plain", "ok\n"
            case "/readyz":
                problem = await self._problem()
                return (UNHEALTHY if problem else OK), "text/plain", f"{problem or 'ok'}\n"
            case "/version":
                body = {"etcdserver": VERSION, "etcdcluster": VERSION}
                return OK, "application/json", _json(body)
            case "/metrics":
                return OK, "text/plain; version=0.0.4", "".join(self._metrics())
        return NOT_FOUND, "text/plain", "404 page not found\n"

    async def _problem(self) -> str:
        """Why one should not rely on this member; "" if one can."""
        if any(alarm.alarm is not AlarmType.NONE for alarm in self.node.applier.alarms):
            return f"ALARM {next(iter(self.node.applier.alarms)).alarm.name}"
        if not self.node.leader_id:
            return "RAFT NO LEADER"
        try:
            await self.node.linearizable_read()
        except StoreError as error:
            return str(error)
        return ""

    def _metrics(self) -> Iterator[str]:
        node, status = self.node, self.node.raft.status()
        for name, kind, value in (
            ("etcd_server_has_leader", "gauge", int(node.leader_id != 0)),
            ("etcd_server_is_leader", "gauge", int(node.is_leader)),
            ("etcd_server_leader_changes_seen_total", "counter", node.leader_changes),
            ("etcd_server_proposals_committed_total", "gauge", status.commit),
            ("etcd_server_proposals_applied_total", "gauge", node.applied),
            ("etcd_server_proposals_pending", "gauge", len(node.proposals)),
            ("etcd_server_quota_backend_bytes", "gauge", node.limits.quota_bytes),
            ("etcd_mvcc_db_total_size_in_bytes", "gauge", node.backend.size_bytes),
            ("etcd_mvcc_db_total_size_in_use_in_bytes", "gauge", node.backend.size_in_use_bytes),
            ("etcd_debugging_mvcc_current_revision", "gauge", node.store.revision),
            ("etcd_debugging_mvcc_compact_revision", "gauge", node.store.compacted),
            ("etcd_disk_wal_fsync_total", "counter", node.journal.sync_count),
            (
                "process_resident_memory_max_bytes",
                "gauge",
                resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            ),
        ):
            yield f"# TYPE {name} {kind}\n{name} {value}\n"
        yield f'# TYPE etcd_server_version gauge\netcd_server_version{{server_version="{VERSION}"}} 1\n'


def _path(head: bytes) -> str:
    words = head.split(b"\r\n", 1)[0].split(b" ")
    return words[1].split(b"?", 1)[0].decode("latin-1") if len(words) == 3 else ""


def _json(body: dict[str, str]) -> str:
    return json.dumps(body, separators=(",", ":"))
