"""Shell: one member as a process: flags, sockets, the parts put together, and an orderly end.

folder lock -> node (boot.py) -> peer server, client server, metrics -> run until SIGTERM
SIGTERM: hand leadership on, end the streams, flush, exit 0
"""

from __future__ import annotations

import asyncio
import os
import signal
import ssl
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
import uvloop

from etcdlite import log as logs
from etcdlite.boot import Settings, StartupError, lock_folder, open_node
from etcdlite.node import Limits, Node
from etcdlite.pb import health_pb2_grpc, peer_pb2_grpc, rpc_pb2_grpc
from etcdlite.server.cluster import ClusterServicer
from etcdlite.server.health import HealthServicer
from etcdlite.server.kv import KvServicer
from etcdlite.server.lease import LeaseServicer
from etcdlite.server.maintenance import MaintenanceServicer
from etcdlite.server.metrics import MetricsServer
from etcdlite.server.watch import WatchServicer
from etcdlite.transport import Identity, PeerService

GRACE_SECONDS = 0.3
SERVER_OPTIONS = [
    ("grpc.so_reuseport", 0),
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 5_000),
    ("grpc.http2.max_ping_strikes", 0),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
]

log = logs.logger("main")


@dataclass(frozen=True, slots=True)
class Tls:
    """The files of one side: what we show, and whom we trust."""

    cert: str = ""
    key: str = ""
    ca: str = ""
    require_client: bool = False

    @property
    def is_on(self) -> bool:
        return bool(self.cert)

    def server_credentials(self) -> grpc.ServerCredentials | None:
        if not self.is_on:
            return None
        pair = (_read(self.key), _read(self.cert))
        ca = _read(self.ca) if self.ca else None
        return grpc.ssl_server_credentials([pair], ca, self.require_client)

    def channel_credentials(self) -> grpc.ChannelCredentials | None:
        if not self.is_on:
            return None
        return grpc.ssl_channel_credentials(
            _read(self.ca) if self.ca else None, _read(self.key), _read(self.cert)
        )

    def context(self) -> ssl.SSLContext | None:
        """The same for the sockets that are not gRPC's."""
        if not self.is_on:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.cert, self.key)
        if self.ca:
            context.load_verify_locations(self.ca)
            context.verify_mode = ssl.CERT_REQUIRED if self.require_client else ssl.CERT_OPTIONAL
        return context


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where this member listens, and where clients are told to find it."""

    client: Sequence[str]
    advertised: Sequence[str]
    peer: Sequence[str]
    metrics: Sequence[str]


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
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info")
def main(**flags: Any) -> None:
    """Run one member of an etcdlite cluster."""
    logs.configure(flags["log_level"])
    try:
        uvloop.run(_serve(_settings(flags), _addresses(flags), _tls(flags, ""), _tls(flags, "peer_")))
    except StartupError as error:
        click.echo(f"etcdlite: {error}", err=True)
        sys.exit(1)


def _settings(flags: dict[str, Any]) -> Settings:
    name = flags["name"]
    if flags["heartbeat_interval"] < 10 or flags["election_timeout"] < 5 * flags["heartbeat_interval"]:
        raise StartupError(
            "--election-timeout must be at least five times --heartbeat-interval, and that 10 ms"
        )
    cluster = flags["initial_cluster"] or f"{name}={flags['initial_advertise_peer_urls']}"
    return Settings(
        name=name,
        data_dir=flags["data_dir"] or Path(f"{name}.etcd"),
        initial_cluster=parse_cluster(cluster),
        cluster_token=flags["initial_cluster_token"],
        is_new_cluster=flags["initial_cluster_state"] == "new",
        heartbeat_seconds=flags["heartbeat_interval"] / 1000,
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
    lock = lock_folder(settings.data_dir)
    random = Random(os.urandom(16))
    node = await open_node(settings, random, peer_tls.channel_credentials())
    peer_server = grpc.aio.server(options=SERVER_OPTIONS)
    identity = Identity(node.cluster_id, node.member_id)
    peer_pb2_grpc.add_PeerServicer_to_server(
        PeerService(identity, node, settings.data_dir / "snapshots"), peer_server
    )
    client_server = grpc.aio.server(options=SERVER_OPTIONS)
    rpc_pb2_grpc.add_KVServicer_to_server(KvServicer(node), client_server)
    rpc_pb2_grpc.add_WatchServicer_to_server(WatchServicer(node), client_server)
    rpc_pb2_grpc.add_LeaseServicer_to_server(LeaseServicer(node, random), client_server)
    rpc_pb2_grpc.add_ClusterServicer_to_server(ClusterServicer(node), client_server)
    rpc_pb2_grpc.add_MaintenanceServicer_to_server(MaintenanceServicer(node), client_server)
    health_pb2_grpc.add_HealthServicer_to_server(HealthServicer(node), client_server)
    metrics = MetricsServer(node)
    for flag, server, urls, tls in (
        ("--listen-peer-urls", peer_server, addresses.peer, peer_tls),
        ("--listen-client-urls", client_server, addresses.client, client_tls),
    ):
        for url in urls:
            _bind(flag, server, url, tls)
        await server.start()
    for url in addresses.metrics:
        await _listen_metrics(metrics, url, client_tls)
    await _run(node, settings, addresses, (client_server, peer_server), metrics)
    os.close(lock)


async def _run(
    node: Node, settings: Settings, addresses: Addresses, servers: Sequence[Any], metrics: MetricsServer
) -> None:
    """Until SIGTERM or SIGINT; a loop that fails ends the process with its error."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with asyncio.TaskGroup() as tasks:
        running = [
            tasks.create_task(node.backend.run()),
            tasks.create_task(node.run()),
            tasks.create_task(node.publish_until_heard(settings.name, list(addresses.advertised))),
        ]
        await stop.wait()
        log.info("stopping")
        await node.stop()
        await metrics.close()
        for server in servers:
            await server.stop(GRACE_SECONDS)
        for task in running:
            task.cancel()
    await node.close()


def _bind(flag: str, server: Any, url: str, tls: Tls) -> None:
    address = urlsplit(url).netloc
    try:
        credentials = tls.server_credentials()
        if urlsplit(url).scheme == "https":
            if credentials is None:
                raise StartupError(f"{flag} {url}: https needs a certificate and its key")
            bound = server.add_secure_port(address, credentials)
        else:
            bound = server.add_insecure_port(address)
    except RuntimeError as error:
        raise StartupError(f"{flag} {url}: cannot listen there: {error}") from error
    if not bound:
        raise StartupError(f"{flag} {url}: cannot listen there")


async def _listen_metrics(metrics: MetricsServer, url: str, tls: Tls) -> None:
    parts = urlsplit(url)
    try:
        context = tls.context() if parts.scheme == "https" else None
        await metrics.listen(parts.hostname or "localhost", parts.port or 0, context)
    except OSError as error:
        raise StartupError(f"--listen-metrics-urls {url}: {error.strerror or error}") from error


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise StartupError(f"{path}: {error.strerror}") from error
