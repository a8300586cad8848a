"""Shell: one member as a process: flags, sockets, the parts put together, and an orderly end.

folder lock -> node (boot.py) -> peer server, client server, metrics -> run until SIGTERM
SIGTERM: hand leadership on, end the streams, flush, exit 0
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlsplit

import click
import grpc
import grpc.aio
import lmdb
import uvloop

from etcdlite import log as logs
from etcdlite.boot import Settings, lock_folder, open_node
from etcdlite.errors import StartupError
from etcdlite.limits import Limits
from etcdlite.mvcc.watch import Cursors
from etcdlite.node import Node
from etcdlite.pb import election_pb2_grpc, faults_pb2_grpc, health_pb2_grpc, lock_pb2_grpc, rpc_pb2_grpc
from etcdlite.peer_server import PeerServer
from etcdlite.server.cluster import ClusterServicer
from etcdlite.server.election import ElectionServicer
from etcdlite.server.faults import FaultsServicer
from etcdlite.server.health import HealthServicer
from etcdlite.server.kv import KvServicer
from etcdlite.server.lease import LeaseServicer
from etcdlite.server.lock import LockServicer
from etcdlite.server.maintenance import MaintenanceServicer
from etcdlite.server.metrics import MetricsServer
from etcdlite.server.queueing import Queues
from etcdlite.server.watch import WatchServicer
from etcdlite.sockets import SERVER_OPTIONS, Tls, bind, claim

GRACE_SECONDS = 0.3

log = logs.logger("main")


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where this member listens, and where clients are told to find it."""

    client: Sequence[str]
    advertised: Sequence[str]
    peer: Sequence[str]
    metrics: Sequence[str]

    def claim(self, client_tls: Tls, peer_tls: Tls) -> None:
        """Refuse to start where something is missing or taken, before anything is touched."""
        for flag, urls, tls in (
            ("--listen-peer-urls", self.peer, peer_tls),
            ("--listen-client-urls", self.client, client_tls),
            ("--listen-metrics-urls", self.metrics, client_tls),
        ):
            for url in urls:
                claim(flag, url, tls)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--name", default="default", help="This member's name in --initial-cluster.")
@click.option("--data-dir", type=click.Path(path_type=Path), default=None, help="Default: <name>.etcd.")
@click.option("--listen-client-urls", default="http://localhost:2379")
@click.option("--advertise-client-urls", default="http://localhost:2379")
@click.option("--listen-peer-urls", default="http://localhost:2380")
@click.option("--initial-advertise-peer-urls", default="http://localhost:2380")
@click.option("--initial-cluster", default="", help="name=peer-url,... of every founding member.")
@click.option("--initial-cluster-token", default="etcd-cluster", help="Tells clusters on one network apart.")
@click.option("--initial-cluster-state", type=click.Choice(["new", "existing"]), default="new")
@click.option("--heartbeat-interval", type=int, default=100, help="Milliseconds.")
@click.option("--election-timeout", type=int, default=1000, help="Milliseconds.")
@click.option("--snapshot-count", type=int, default=10_000, help="Entries between two cuts of the log.")
@click.option("--snapshot-catchup-entries", type=int, default=5_000, help="Entries kept for slow members.")
@click.option("--quota-backend-bytes", type=int, default=2 << 30, help="Refuse writes beyond this size.")
@click.option("--listen-metrics-urls", default="", help="Where to answer /health and /metrics.")
@click.option("--cert-file", default="", help="What clients are shown.")
@click.option("--key-file", default="")
@click.option("--trusted-ca-file", default="", help="Who may sign a client's certificate.")
@click.option("--client-cert-auth", is_flag=True, help="Refuse clients without a certificate.")
@click.option("--peer-cert-file", default="", help="What other members are shown.")
@click.option("--peer-key-file", default="")
@click.option("--peer-trusted-ca-file", default="")
@click.option("--peer-client-cert-auth", is_flag=True)
@click.option("--enable-fault-injection", is_flag=True, help="Let clients cut links between members.")
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info")
def main(**flags: Any) -> None:
    """Run one member of an etcdlite cluster."""
    logs.configure(flags["name"], flags["log_level"])
    try:
        uvloop.run(_serve(_settings(flags), _addresses(flags), _tls(flags, ""), _tls(flags, "peer_")))
    except StartupError as error:
        click.echo(f"etcdlite: {error}", err=True)
        sys.exit(1)


def _settings(flags: dict[str, Any]) -> Settings:
    name = flags["name"]
    if flags["heartbeat_interval"] < 25 or flags["election_timeout"] < 5 * flags["heartbeat_interval"]:
        raise StartupError(
            "--election-timeout must be at least five times --heartbeat-interval, and that 25 ms"
        )
    cluster = flags["initial_cluster"] or f"{name}={flags['initial_advertise_peer_urls']}"
    return Settings(
        name=name,
        data_dir=flags["data_dir"] or Path(f"{name}.etcd"),
        initial_cluster=parse_cluster(cluster),
        cluster_token=flags["initial_cluster_token"],
        is_new_cluster=flags["initial_cluster_state"] == "new",
        heartbeat_seconds=flags["heartbeat_interval"] / 1000,
        allows_faults=flags["enable_fault_injection"],
        limits=Limits(
            election_seconds=flags["election_timeout"] / 1000,
            snapshot_count=flags["snapshot_count"],
            catch_up_entries=flags["snapshot_catchup_entries"],
            quota_bytes=flags["quota_backend_bytes"] or 2 << 30,
        ),
    )


def parse_cluster(text: str) -> dict[str, list[str]]:
    """Names and peer URLs of --initial-cluster; a name may come several times."""
    cluster: dict[str, list[str]] = {}
    for part in text.split(","):
        name, equals, url = part.strip().partition("=")
        if not (name and equals and urlsplit(url).port):
            raise StartupError(f"--initial-cluster: {part!r} is not name=scheme://host:port")
        cluster.setdefault(name, []).append(url)
    return cluster


def _addresses(flags: dict[str, Any]) -> Addresses:
    def urls(flag: str) -> list[str]:
        return [url for url in flags[flag].split(",") if url]

    return Addresses(
        client=urls("listen_client_urls"),
        advertised=urls("advertise_client_urls"),
        peer=urls("listen_peer_urls"),
        metrics=urls("listen_metrics_urls"),
    )


def _tls(flags: dict[str, Any], side: str) -> Tls:
    auth = flags["peer_client_cert_auth"] if side else flags["client_cert_auth"]
    return Tls(flags[f"{side}cert_file"], flags[f"{side}key_file"], flags[f"{side}trusted_ca_file"], auth)


async def _serve(settings: Settings, addresses: Addresses, client_tls: Tls, peer_tls: Tls) -> None:
    """The wiring, top to bottom."""
    lock = lock_folder(settings.data_dir)
    addresses.claim(client_tls, peer_tls)
    random = Random(os.urandom(16))
    try:
        node = await open_node(settings, random, peer_tls.client_context())
    except (OSError, lmdb.Error) as error:
        raise StartupError(f"--data-dir {settings.data_dir}: {error}") from error
    client_server = grpc.aio.server(options=SERVER_OPTIONS)
    peer_server = PeerServer(node.transport, node, node.leasing, node.members)
    metrics = MetricsServer(node)
    cursors = Cursors(node.store)
    leases = LeaseServicer(node, random)
    queues = Queues(node, cursors, leases)
    rpc_pb2_grpc.add_KVServicer_to_server(KvServicer(node), client_server)
    rpc_pb2_grpc.add_WatchServicer_to_server(WatchServicer(node, cursors), client_server)
    rpc_pb2_grpc.add_LeaseServicer_to_server(leases, client_server)
    rpc_pb2_grpc.add_ClusterServicer_to_server(ClusterServicer(node), client_server)
    rpc_pb2_grpc.add_MaintenanceServicer_to_server(MaintenanceServicer(node), client_server)
    lock_pb2_grpc.add_LockServicer_to_server(LockServicer(queues), client_server)
    election_pb2_grpc.add_ElectionServicer_to_server(ElectionServicer(queues), client_server)
    health_pb2_grpc.add_HealthServicer_to_server(HealthServicer(node), client_server)
    if settings.allows_faults:
        faults_pb2_grpc.add_FaultsServicer_to_server(FaultsServicer(node), client_server)
    for url in addresses.peer:
        await peer_server.listen(url, peer_tls.context())
    for url in addresses.client:
        bind("--listen-client-urls", client_server, url, client_tls)
    for url in addresses.metrics:
        await metrics.listen(url, client_tls.context())
    await client_server.start()
    await _run(node, settings.name, addresses, client_server, peer_server, metrics)
    os.close(lock)


async def _run(
    node: Node, name: str, addresses: Addresses, server: Any, peer_server: PeerServer, metrics: MetricsServer
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
                tasks.create_task(node.publish(name, list(addresses.advertised))),
            ]
            await stop.wait()
            log.info("stopping")
            await node.stop()
            await metrics.close()
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
