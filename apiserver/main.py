"""Shell: starts an API server: flags, the wiring of its parts from top to bottom, ports, and the order of
its end.

    store <- cache <- registry <- handlers <- filters <- sockets

The own port listens once the cache is filled and the bootstrap objects are there; then the shared port
joins in. At the end it goes the other way: no new connections, watches end, answers finish, the store's
connection closes.
"""

from __future__ import annotations

import asyncio
import random
import socket
import uuid
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import aiohttp
import click
import prometheus_client

from apiserver import app, bootstrap, compactor
from apiserver.admission.default_toleration_seconds import DefaultTolerationSeconds
from apiserver.admission.plugins import Means, chain, told
from apiserver.admission.webhooks.asking import Asking
from apiserver.admission.webhooks.caller import Caller
from apiserver.admission.webhooks.metrics import WebhookMetrics
from apiserver.aggregation.aggregation import Aggregation
from apiserver.aggregation.connections import Connections
from apiserver.aggregation.figures import AggregationCollector
from apiserver.aggregation.flags import proxy_authority, proxy_flags, proxy_pair, request_header
from apiserver.allocation.cluster_ips import ClusterIPs
from apiserver.allocation.node_ports import NodePorts
from apiserver.allocation.repair import Repairer
from apiserver.allocation.service_addresses import ServiceAddresses
from apiserver.audit.auditor import Auditor
from apiserver.audit.options import AuditFlags, audit_options, open_auditor
from apiserver.authentication.options import (
    AuthenticationFlags,
    authentication_options,
    authenticator,
    issuing,
)
from apiserver.authentication.peers import Peers
from apiserver.authentication.token_uses import TokenUses
from apiserver.authentication.tokens import KeyPair, Tokens
from apiserver.authorization.authorizer import Authorizer
from apiserver.cel.evaluator import Evaluator
from apiserver.filters.metrics import Metrics
from apiserver.flow_control.conditions import Conditions
from apiserver.flow_control.flow_control import FlowControl
from apiserver.handlers.documents import VERSION
from apiserver.http_protocol import HttpServer, bind, raise_descriptor_limit
from apiserver.presence import Presence
from apiserver.registry.registry import Registry
from apiserver.server import Server
from apiserver.storage.cache_metrics import CacheCollector
from apiserver.storage.encrypted import EncryptedStorage, load
from apiserver.storage.etcd import EtcdStorage
from apiserver.storage.interface import Storage, Unavailable
from apiserver.storage.watch_cache import WatchCache
from kube.api.meta import Object
from kube.api.resources import RESOURCES, Resource
from kube.api.schema import Schemas
from kube.base import logs, tls
from kube.base.backoff import Backoff
from kube.base.clock import SystemClock
from kube.base.flags import DURATION, DURATION_OR_ZERO
from kube.base.run import StartupError, run
from kube.base.tasks import Tasks

log = logs.logger(__name__)

STORE_PATIENCE_SECONDS = 60.0
# How long the first look at the servers behind APIServices may keep this one from serving.
AGGREGATION_SECONDS = 2.0
BUILD = {
    name: VERSION[key]
    for name, key in (("major", "major"), ("minor", "minor"), ("git_version", "gitVersion"))
}


@dataclass(frozen=True, kw_only=True)
class Flags(AuditFlags, AuthenticationFlags):
    """The command line."""

    etcd_servers: str = ""
    etcd_cafile: str = ""
    etcd_certfile: str = ""
    etcd_keyfile: str = ""
    etcd_prefix: str = "/registry"
    etcd_compaction_interval: timedelta = timedelta(minutes=5)
    encryption_provider_config: str = ""
    event_ttl: timedelta = timedelta(hours=1)
    bind_address: str = "127.0.0.1"
    secure_port: int = 6450
    shared_port: int = 0
    shared_fd: int = -1
    tls_cert_file: str = ""
    tls_private_key_file: str = ""
    client_ca_file: str = ""
    service_cluster_ip_range: str = "127.96.0.0/16"
    kubelet_client_certificate: str = ""
    kubelet_client_key: str = ""
    kubelet_certificate_authority: str = ""
    requestheader_client_ca_file: str = ""
    requestheader_allowed_names: str = ""
    requestheader_username_headers: str = "X-Remote-User"
    requestheader_group_headers: str = "X-Remote-Group"
    requestheader_uid_headers: str = "X-Remote-Uid"
    requestheader_extra_headers_prefix: str = "X-Remote-Extra-"
    proxy_client_cert_file: str = ""
    proxy_client_key_file: str = ""
    default_not_ready_toleration_seconds: int = 300
    default_unreachable_toleration_seconds: int = 300
    admission_control_config_file: str = ""
    enable_priority_and_fairness: bool = True
    max_requests_inflight: int = 40
    max_mutating_requests_inflight: int = 20
    log_level: str = "info"


DEFAULTS = Flags()


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.option("--etcd-servers", required=True, help="URLs of any etcd's members, with commas between.")
@click.option("--etcd-cafile", default="", help="Authority that signed the store's certificates.")
@click.option("--etcd-certfile", default="", help="Certificate shown to the store.")
@click.option("--etcd-keyfile", default="", help="Its key.")
@click.option("--etcd-prefix", default="/registry", help="What all keys in the store begin with.")
@click.option(
    "--etcd-compaction-interval",
    type=DURATION_OR_ZERO,
    default="5m",
    help="How often, and to what age, the store's history is compacted; 0: never, somebody else does it.",
)
@click.option(
    "--encryption-provider-config",
    default="",
    help="Configuration of what is encrypted in the store, with which keys; none: nothing.",
)
@click.option("--event-ttl", type=DURATION, default="1h", help="How long Events are kept.")
@click.option("--bind-address", default=DEFAULTS.bind_address, help="Address of both ports.")
@click.option("--secure-port", default=DEFAULTS.secure_port, help="This server's own port.")
@click.option("--shared-port", default=0, help="Port that all API servers of a machine share; 0: none.")
@click.option("--shared-fd", default=-1, help="Inherited descriptor of that port's socket, bound already.")
@click.option("--tls-cert-file", required=True, help="Certificate of this server.")
@click.option("--tls-private-key-file", required=True, help="Its key.")
@click.option("--client-ca-file", required=True, help="Authority that signed the clients' certificates.")
@click.option(
    "--service-cluster-ip-range",
    default=DEFAULTS.service_cluster_ip_range,
    help="Where Services get their addresses.",
)
@click.option("--kubelet-client-certificate", default="", help="Certificate shown to kubelets.")
@click.option("--kubelet-client-key", default="", help="Its key.")
@click.option(
    "--kubelet-certificate-authority", default="", help="Authority that signed the kubelets' certificates."
)
@proxy_flags
@click.option(
    "--default-not-ready-toleration-seconds",
    default=DEFAULTS.default_not_ready_toleration_seconds,
    help="How long a pod stays on a node that is not ready, unless it says otherwise.",
)
@click.option(
    "--default-unreachable-toleration-seconds",
    default=DEFAULTS.default_unreachable_toleration_seconds,
    help="The same for a node that is not reachable.",
)
@click.option(
    "--enable-priority-and-fairness",
    type=bool,
    default=True,
    help="Let requests wait in queues, by FlowSchemas, while many others are handled; else all are let in.",
)
@click.option(
    "--max-requests-inflight",
    type=click.IntRange(min=0),
    default=DEFAULTS.max_requests_inflight,
    help="With the next flag's: how many requests are handled at once, watches and other streams left out.",
)
@click.option(
    "--max-mutating-requests-inflight",
    type=click.IntRange(min=0),
    default=DEFAULTS.max_mutating_requests_inflight,
    help="Added to that; queues tell no reads from writes.",
)
@authentication_options
@audit_options
@click.option("--admission-control-config-file", default="", help="What single admission plug-ins are told.")
@click.option("--log-level", default="info", type=click.Choice(["debug", "info", "warning", "error"]))
def main(**options: object) -> None:
    """The Kubernetes API over an etcd v3 store."""
    flags = Flags(**options)  # type: ignore[arg-type]  # click has checked them
    logs.configure("apiserver", flags.log_level)
    run(serve, flags)


async def serve(flags: Flags) -> None:
    """Build everything, run until cancelled, take everything down."""
    raise_descriptor_limit()
    context = tls.server_context(
        flags.tls_cert_file,
        flags.tls_private_key_file,
        flags.client_ca_file,
        require_client=False,
        proxy_ca=flags.requestheader_client_ca_file,
    )
    own_socket = bind(flags.bind_address, flags.secure_port, "--secure-port")
    if flags.shared_port and flags.shared_fd < 0:
        bind(flags.bind_address, flags.shared_port, "--shared-port", shared=True).close()
    keys = KeyPair.load(flags.service_account_signing_key_file)
    auditor = open_auditor(flags, SystemClock())
    storage = _storage(flags)
    address = f"{flags.bind_address}:{flags.shared_port or flags.secure_port}"
    sessions = (_kubelet_session(flags), _backend_session())
    try:
        server = wire(storage, keys, sessions, flags, address, auditor)
    except StartupError:
        for session in sessions:
            await session.close()
        raise
    storage.observe = server.metrics.store_answered
    presence = Presence(server, flags.bind_address, flags.secure_port)
    http = HttpServer(
        app.Application(server), context, Peers(flags.client_ca_file, flags.requestheader_client_ca_file)
    )
    Schemas.load()
    try:
        async with Tasks() as tasks:
            tasks.start("watch cache", server.cache.run)
            await _prepare(server, presence, flags)
            tasks.start("aggregation", server.aggregation.run)
            await server.aggregation.settle(AGGREGATION_SECONDS)
            await http.listen(own_socket)
            if flags.shared_port:
                await http.listen(_shared_socket(flags))
            log.info("serving", port=flags.secure_port, shared_port=flags.shared_port)
            if interval := flags.etcd_compaction_interval.total_seconds():
                tasks.start("compactor", compactor.run, storage, interval)
            tasks.start("addresses", server.repairer.run)
            tasks.start("uses of tokens", server.token_uses.run)
            conditions = Conditions(server.cache, server.registry, server.clock, server.flow_control)
            tasks.start("flow schemas", conditions.run)
            renewing = tasks.start("presence", presence.run)
            try:
                await asyncio.Event().wait()
            finally:
                server.stopping.set()
                renewing.cancel()
                try:
                    await presence.leave()
                finally:
                    await http.stop()
    finally:
        if auditor is not None:
            await auditor.log.close()
        own_socket.close()
        await server.kubelets.close()
        await server.backends.close()
        await server.webhooks.close()
        await server.evaluator.close()
        await storage.close()


Sessions = tuple[aiohttp.ClientSession, aiohttp.ClientSession]


def wire(
    storage: Storage,
    keys: KeyPair,
    sessions: Sessions,
    flags: Flags,
    address: str,
    auditor: Auditor | None = None,
) -> Server:
    """The parts above the store, joined. sessions: for kubelets, and for pods."""
    clock, chance = SystemClock(), random.Random()
    if flags.encryption_provider_config:
        storage = EncryptedStorage(storage, load(flags.encryption_provider_config))
    cache = WatchCache(storage, RESOURCES)
    authorizer = Authorizer(cache)
    evaluator = Evaluator()
    cluster_ips = ClusterIPs(cache, flags.service_cluster_ip_range, chance)
    node_ports = NodePorts(storage, chance)
    metrics = Metrics(prometheus_client.CollectorRegistry(), BUILD)
    metrics.registry.register(CacheCollector(cache))
    webhooks = Caller(cache, chance)
    asking = Asking(cache, webhooks, WebhookMetrics(metrics.registry), evaluator, authorizer, new_uid)
    plugins = chain(
        Means(
            cache,
            storage,
            authorizer,
            evaluator,
            asking,
            ServiceAddresses(cache, cluster_ips, node_ports),
            DefaultTolerationSeconds(
                flags.default_not_ready_toleration_seconds, flags.default_unreachable_toleration_seconds
            ),
            told(flags.admission_control_config_file),
            clock,
            chance,
        )
    )
    event_ttl_seconds = max(int(flags.event_ttl.total_seconds()), 1)
    registry = Registry(
        storage,
        cache,
        plugins,
        clock,
        chance,
        new_uid,
        event_ttl_seconds,
    )
    cluster_ips.registry = registry
    repairer = Repairer(cache, cluster_ips, node_ports)

    def find(resource: Resource, namespace: str, name: str) -> Object | None:
        entry = cache.get(resource, namespace, name)
        return entry.decode() if entry is not None else None

    token_uses = TokenUses(registry, clock)
    tokens = Tokens(issuing(flags, keys), clock, find, token_uses.note)
    if auditor is not None:
        auditor.metrics.register(metrics.registry)
    connections = Connections(cache, chance, *proxy_pair(flags))
    aggregation = Aggregation(cache, registry, clock, connections)
    metrics.registry.register(AggregationCollector(aggregation))
    return Server(
        storage,
        cache,
        registry,
        tokens,
        authenticator(flags, tokens, clock, find, request_header(flags)),
        authorizer,
        metrics,
        *sessions,
        clock,
        chance,
        new_uid,
        address,
        repairer,
        token_uses,
        webhooks,
        _flow_control(cache, metrics, flags),
        aggregation,
        request_header(flags),
        evaluator,
        auditor=auditor,
    )


def _flow_control(cache: WatchCache, metrics: Metrics, flags: Flags) -> FlowControl | None:
    """None where it is turned off."""
    seats = flags.max_requests_inflight + flags.max_mutating_requests_inflight
    if not flags.enable_priority_and_fairness:
        return None
    if not seats:
        raise StartupError("--max-requests-inflight and --max-mutating-requests-inflight leave no request in")
    return FlowControl(cache, seats, metrics.registry)


def new_uid() -> str:
    """The one place uids come from."""
    return str(uuid.uuid4())  # noqa: TID251 -- main owns chance


def _shared_socket(flags: Flags) -> socket.socket:
    """The inherited one, whose queue all servers serve; else one of our own beside theirs."""
    if flags.shared_fd < 0:
        return bind(flags.bind_address, flags.shared_port, "--shared-port", shared=True)
    inherited = socket.socket(fileno=flags.shared_fd)
    inherited.setblocking(False)
    return inherited


def _storage(flags: Flags) -> EtcdStorage:
    endpoints = [each for each in flags.etcd_servers.split(",") if each]
    if not endpoints:
        raise StartupError("--etcd-servers names no server")
    if bool(flags.etcd_certfile) != bool(flags.etcd_keyfile):
        raise StartupError("--etcd-certfile and --etcd-keyfile go together")
    try:
        return EtcdStorage(
            endpoints, flags.etcd_cafile, flags.etcd_certfile, flags.etcd_keyfile, _prefix(flags)
        )
    except OSError as error:
        raise StartupError(f"cannot read the store's certificates: {error}") from error


def _prefix(flags: Flags) -> str:
    prefix = "/" + flags.etcd_prefix.strip("/")
    if prefix == "/":
        raise StartupError("--etcd-prefix must name something: all keys of the store would be ours")
    return prefix


def _kubelet_session(flags: Flags) -> aiohttp.ClientSession:
    """A session for kubelets; without an authority of theirs only the system's are trusted."""
    context = tls.client_context(
        flags.kubelet_certificate_authority or None,
        flags.kubelet_client_certificate or None,
        flags.kubelet_client_key or None,
    )
    return _session(aiohttp.TCPConnector(ssl=context, limit=0))


def _backend_session() -> aiohttp.ClientSession:
    """A session for what users run: its certificates are its own affair."""
    return _session(aiohttp.TCPConnector(ssl=False, limit=0))


def _session(connector: aiohttp.TCPConnector) -> aiohttp.ClientSession:
    timeout = aiohttp.ClientTimeout(sock_connect=5)
    return aiohttp.ClientSession(connector=connector, timeout=timeout, auto_decompress=False)


async def _prepare(server: Server, presence: Presence, flags: Flags) -> None:
    """Wait for the store and make what every cluster begins with; StartupError if that takes too long."""
    backoff = Backoff(0.1, 2.0)
    client_ca = await asyncio.to_thread(Path(flags.client_ca_file).read_text)
    proxy_ca = await asyncio.to_thread(proxy_authority, flags)
    try:
        async with asyncio.timeout(STORE_PATIENCE_SECONDS):
            await server.cache.at_least(1)
            while True:
                try:
                    await server.repairer.once(asyncio.get_running_loop().time())
                    await bootstrap.ensure(
                        server, flags.service_cluster_ip_range, flags.secure_port, client_ca, proxy_ca
                    )
                    await presence.join()
                    return
                except Unavailable as error:
                    log.warning("the store does not answer yet", error=error)
                    await asyncio.sleep(backoff.next())
    except TimeoutError as error:
        raise StartupError(f"--etcd-servers {flags.etcd_servers}: the store does not answer") from error
