"""Shell: builds the proxy and runs it. The wiring diagram, top to bottom.

Under asyncio's own loop: relayed connections that are half closed have made uvloop abort.
"""

from __future__ import annotations

import asyncio
import random
import resource
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import click
from prometheus_client import CollectorRegistry

from kube.base import logs, tls
from kube.base.health import HealthServer
from kube.base.run import StartupError, run
from kube.base.tasks import Tasks
from kube.client.config import ClientConfig
from kube.client.informer import InformerFactory
from kube.client.rest import Client
from proxy.backends.userspace import Userspace
from proxy.dns.message import Writer
from proxy.dns.names import ClusterNames
from proxy.dns.resolver import Resolver
from proxy.dns.upstream import ResolvConf, Upstream
from proxy.dns.zone import Zone
from proxy.metrics import Metrics
from proxy.proxy import Proxy
from proxy.table import Table

# How long a client may believe an answer; as CoreDNS has it.
DNS_TTL_SECONDS = 5


@click.command()
@click.option("--kubeconfig", required=True, help="How to reach the API server, and as whom.")
@click.option(
    "--bind-address", default="127.0.0.1", show_default=True, help="Where to serve health and metrics."
)
@click.option("--secure-port", default=10256, show_default=True, help="The port for them.")
@click.option("--tls-cert-file", required=True, help="The server certificate.")
@click.option("--tls-private-key-file", required=True, help="Its key.")
@click.option("--client-ca-file", required=True, help="The authority of clients' certificates.")
@click.option(
    "--nodeport-addresses",
    default="0.0.0.0/0",
    show_default=True,
    help="Networks, with commas between: node ports answer on 127.0.0.1 and the nodes' addresses in these.",
)
@click.option(
    "--cluster-dns",
    default="",
    help="Address where the cluster's names are answered, on port 53; none: nowhere.",
)
@click.option("--cluster-domain", default="cluster.local", show_default=True, help="What these names end in.")
@click.option(
    "--resolv-conf",
    default="/etc/resolv.conf",
    show_default=True,
    help="Its name servers are asked for all other names.",
)
@click.option("--log-level", default="info", show_default=True)
def main(
    kubeconfig: str,
    bind_address: str,
    secure_port: int,
    tls_cert_file: str,
    tls_private_key_file: str,
    client_ca_file: str,
    nodeport_addresses: str,
    cluster_dns: str,
    cluster_domain: str,
    resolv_conf: str,
    log_level: str,
) -> None:
    """Answer on the addresses of Services, and pass connections on to their pods."""
    logs.configure("proxy", log_level)
    tls_files = (tls_cert_file, tls_private_key_file, client_ca_file)
    run(
        _run,
        kubeconfig,
        (bind_address, secure_port),
        tls_files,
        nodeport_addresses,
        Dns(cluster_dns, cluster_domain, resolv_conf),
        loop_factory=asyncio.new_event_loop,
    )


@dataclass(frozen=True, slots=True)
class Dns:
    """What is asked of the name server; no address: that there be none."""

    address: str
    domain: str
    resolv_conf: str


async def _run(
    kubeconfig: str,
    health_address: tuple[str, int],
    tls_files: tuple[str, str, str],
    nodeport_addresses: str,
    dns: Dns,
) -> None:
    networks = _networks(nodeport_addresses)
    server_tls = tls.server_context(*tls_files)
    client = Client(ClientConfig.load(kubeconfig), user_agent="kube-proxy")
    registry, chance = CollectorRegistry(), random.Random()
    _allow_many_connections()
    metrics = Metrics(registry)
    table = Table()
    backend = Userspace(metrics, chance, lambda client: table.nodes.of_client(client))
    informers = InformerFactory(client, random=chance)
    proxy = Proxy(informers, table, backend, networks, metrics)
    checks = {"rules": proxy.unready}
    names = _names(dns, informers, metrics, chance)
    if names is not None:
        checks["names"] = names.unready
    health = HealthServer(*health_address, server_tls, checks, registry)
    await health.start()
    async with Tasks() as tasks:
        try:
            informers.start(tasks)
            tasks.start("rules", proxy.run)
            if names is not None:
                tasks.start("names", names.run)
            await asyncio.Event().wait()
        finally:
            await tasks.cancel()
            backend.close()
            await health.stop()
            await client.close()


def _names(
    dns: Dns, informers: InformerFactory, metrics: Metrics, chance: random.Random
) -> ClusterNames | None:
    """The name server, if there is to be one."""
    if not dns.address:
        return None
    try:
        IPv4Address(dns.address)
        others = ResolvConf(Path(dns.resolv_conf), (dns.address,))
    except ValueError as error:
        raise StartupError(f"--cluster-dns {dns.address}: {error}") from error
    except OSError as error:
        raise StartupError(f"--resolv-conf {dns.resolv_conf}: {error.strerror}") from error
    zone = Zone(dns.domain, dns.address)
    writer = Writer(zone.domain, DNS_TTL_SECONDS)
    resolver = Resolver(zone, writer, Upstream(others.servers, chance), metrics.dns_answers)
    return ClusterNames(informers, zone, resolver, dns.address)


def _networks(text: str) -> list[IPv4Network]:
    try:
        return [IPv4Network(each) for each in text.split(",") if each]
    except ValueError as error:
        raise StartupError(f"--nodeport-addresses {text}: {error}") from error


def _allow_many_connections() -> None:
    """Each relayed connection takes two descriptors: use as many as the system grants."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
