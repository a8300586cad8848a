"""Shell: one member as a process: flags, sockets, the parts put together, and an orderly end.

folder lock -> node (boot.py) -> peer server, client server, metrics -> run until SIGTERM
SIGTERM: hand leadership on, end the streams, flush, exit 0
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import click
import grpc
import grpc.aio
import lmdb
import uvloop

from etcdlite import compacting, flags
from etcdlite import log as logs
from etcdlite.boot import Settings, lock_folder, open_node
from etcdlite.errors import StartupError
from etcdlite.limits import Limits
from etcdlite.mvcc.watch import Cursors
from etcdlite.node import Node
from etcdlite.pb import (
    election_pb2_grpc,
    faults_pb2_grpc,
    health_pb2_grpc,
    lock_pb2_grpc,
    rpc_pb2_grpc,
    snapshot_pb2_grpc,
)
from etcdlite.peer_server import PeerServer
from etcdlite.server.calls import Calls
from etcdlite.server.checks import Checks
from etcdlite.server.cluster import ClusterServicer
from etcdlite.server.election import ElectionServicer
from etcdlite.server.faults import FaultsServicer
from etcdlite.server.health import HealthServicer
from etcdlite.server.http import HttpServer
from etcdlite.server.kv import KvServicer
from etcdlite.server.lease import LeaseServicer
from etcdlite.server.lock import LockServicer
from etcdlite.server.maintenance import MaintenanceServicer
from etcdlite.server.metrics import Metrics
from etcdlite.server.queueing import Queues
from etcdlite.server.snapshot import SnapshotsServicer
from etcdlite.server.watch import WatchServicer
from etcdlite.sockets import GrpcLimits, Tls, bind, claim

GRACE_SECONDS = 0.3

log = logs.logger("main")


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where this member listens, and where clients are told to find it."""

    client: Sequence[str]
    http: Sequence[str]
    advertised: Sequence[str]
    peer: Sequence[str]
    metrics: Sequence[str]

    def claim(self, client_tls: Tls, peer_tls: Tls) -> None:
        """Refuse to start where something is missing or taken, before anything is touched."""
        for flag, urls, tls in (
            ("--listen-peer-urls", self.peer, peer_tls),
            ("--listen-client-urls", self.client, client_tls),
            ("--listen-client-http-urls", self.http, client_tls),
            ("--listen-metrics-urls", self.metrics, client_tls),
        ):
            for url in urls:
                claim(flag, url, tls)


LOG_LEVELS = {"warn": "warning", "panic": "critical", "fatal": "critical"}


def main(args: Sequence[str] | None = None, prog_name: str = "etcdlite") -> None:
    """Run one member of an etcdlite cluster."""
    try:
        values = flags.parse(args, prog_name)
        if values is None:
            return
        level = values["log_level"]
        logs.configure(values["name"], LOG_LEVELS.get(level, level))
        if values["ignored"]:
            log.warning("only the file counts", ignored=",".join(values["ignored"]))
        uvloop.run(_serve(Start.of(values)))
    except StartupError as error:
        click.echo(f"etcdlite: {error}", err=True)
        sys.exit(1)


@dataclass(frozen=True, slots=True)
class Start:
    """Everything the flags say, sorted by who needs it."""

    settings: Settings
    addresses: Addresses
    client_tls: Tls
    peer_tls: Tls
    grpc_limits: GrpcLimits
    progress_seconds: float
    is_strict: bool
    is_extensive: bool
    compaction: tuple[str, float]  # mode, and how much is kept

    @classmethod
    def of(cls, values: dict[str, Any]) -> Start:
        mode = values["auto_compaction_mode"]
        return cls(
            settings=_settings(values),
            addresses=_addresses(values),
            client_tls=_tls(values, ""),
            peer_tls=_tls(values, "peer_"),
            grpc_limits=_grpc_limits(values),
            progress_seconds=values["watch_progress_notify_interval"],
            is_strict=values["strict_reconfig_check"],
            is_extensive=values["metrics"] == "extensive",
            compaction=(mode, compacting.retention(mode, values["auto_compaction_retention"])),
        )


def _settings(values: dict[str, Any]) -> Settings:
    name = values["name"]
    cluster = values["initial_cluster"] or f"{name}={values['initial_advertise_peer_urls']}"
    return Settings(
        name=name,
        data_dir=values["data_dir"] or Path(f"{name}.etcd"),
        initial_cluster=flags.parse_cluster(cluster),
        cluster_token=values["initial_cluster_token"],
        is_new_cluster=values["initial_cluster_state"] == "new",
        heartbeat_seconds=values["heartbeat_interval"] / 1000,
        allows_faults=values["enable_fault_injection"],
        pre_vote=values["pre_vote"],
        limits=Limits(
            election_seconds=values["election_timeout"] / 1000,
            snapshot_count=values["snapshot_count"],
            catch_up_entries=values["snapshot_catchup_entries"],
            quota_bytes=values["quota_backend_bytes"] or 2 << 30,
            request_bytes=values["max_request_bytes"],
            txn_operation_count=values["max_txn_ops"],
        ),
    )


def _grpc_limits(values: dict[str, Any]) -> GrpcLimits:
    return GrpcLimits(
        stream_count=min(values["max_concurrent_streams"], 2**31 - 1),  # etcd's default is larger
        min_ping_seconds=values["grpc_keepalive_min_time"],
        ping_seconds=values["grpc_keepalive_interval"],
        ping_timeout_seconds=values["grpc_keepalive_timeout"],
    )


def _addresses(values: dict[str, Any]) -> Addresses:
    return Addresses(
        client=values["listen_client_urls"],
        http=values["listen_client_http_urls"],
        advertised=values["advertise_client_urls"],
        peer=values["listen_peer_urls"],
        metrics=values["listen_metrics_urls"],
    )


def _tls(values: dict[str, Any], side: str) -> Tls:
    auth = values["peer_client_cert_auth"] if side else values["client_cert_auth"]
    return Tls(values[f"{side}cert_file"], values[f"{side}key_file"], values[f"{side}trusted_ca_file"], auth)


async def _serve(start: Start) -> None:
    """The wiring, top to bottom."""
    settings, addresses = start.settings, start.addresses
    lock = lock_folder(settings.data_dir)
    addresses.claim(start.client_tls, start.peer_tls)
    random = Random(os.urandom(16))
    try:
        node = await open_node(settings, random, start.peer_tls.client_context())
    except (OSError, lmdb.Error) as error:
        raise StartupError(f"--data-dir {settings.data_dir}: {error}") from error
    client_server = grpc.aio.server(options=start.grpc_limits.options())
    peer_server = PeerServer(node.transport, node, node.leasing, node.members)
    calls = Calls(client_server, is_extensive=start.is_extensive)
    cursors = Cursors(node.store)
    leases = LeaseServicer(node, random)
    queues = Queues(node, cursors, leases)
    watches = WatchServicer(node, cursors, start.progress_seconds)
    cluster = ClusterServicer(node, is_strict=start.is_strict)
    rpc_pb2_grpc.add_KVServicer_to_server(KvServicer(node), calls)
    rpc_pb2_grpc.add_WatchServicer_to_server(watches, calls)
    rpc_pb2_grpc.add_LeaseServicer_to_server(leases, calls)
    rpc_pb2_grpc.add_ClusterServicer_to_server(cluster, calls)
    rpc_pb2_grpc.add_MaintenanceServicer_to_server(MaintenanceServicer(node), calls)
    lock_pb2_grpc.add_LockServicer_to_server(LockServicer(queues), calls)
    election_pb2_grpc.add_ElectionServicer_to_server(ElectionServicer(queues), calls)
    snapshot_pb2_grpc.add_SnapshotsServicer_to_server(SnapshotsServicer(node), calls)
    health_pb2_grpc.add_HealthServicer_to_server(HealthServicer(node), calls)
    if settings.allows_faults:
        faults_pb2_grpc.add_FaultsServicer_to_server(FaultsServicer(node), calls)
    checks = Checks(node)
    http = HttpServer(checks, Metrics(node, cursors, watches, calls, checks))
    for url in addresses.peer:
        await peer_server.listen(url, start.peer_tls.context())
    for url in addresses.client:
        bind("--listen-client-urls", client_server, url, start.client_tls)
    for url in (*addresses.http, *addresses.metrics):
        await http.listen(url, start.client_tls.context())
    await client_server.start()
    compactor = compacting.compactor(*start.compaction, node.now(), node.store.revision)
    own = [node.publish(settings.name, list(addresses.advertised)), compacting.run(node, compactor)]
    await _run(node, own, client_server, peer_server, http)
    os.close(lock)


async def _run(
    node: Node,
    own: Sequence[Coroutine[Any, Any, None]],
    server: Any,
    peer_server: PeerServer,
    http: HttpServer,
) -> None:
    """Until SIGTERM or SIGINT, or the member's removal; a failing disk ends it too."""
    stop = node.removed
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        async with asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(node.backend.run()),
                tasks.create_task(node.run()),
                *map(tasks.create_task, own),
            ]
            await stop.wait()
            log.info("stopping")
            await node.stop()
            await http.close()
            await server.stop(GRACE_SECONDS)
            await peer_server.close()
            for task in running:
                task.cancel()
    except* (OSError, lmdb.Error) as errors:
        await server.stop(None)
        await peer_server.close()
        raise StartupError(
            f"the disk failed: {_first(errors)}; mend it or make room, then start this member again as it is"
        ) from errors
    await node.close()


def _first(errors: BaseExceptionGroup[Any]) -> BaseException:
    """The first error itself, however deep the groups around it."""
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
