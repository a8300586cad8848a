"""Shell: builds one node's kubelet and runs it. The wiring diagram, top to bottom."""

from __future__ import annotations

import asyncio
import os
import platform
import random
import ssl
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import click
from prometheus_client import REGISTRY

from kube.api import quantity
from kube.api.resources import NODES, SERVICES
from kube.base import logs, tls
from kube.base.clock import Clock, SystemClock
from kube.base.flags import DURATION
from kube.base.run import StartupError, run
from kube.base.tasks import Tasks
from kube.client.config import ClientConfig
from kube.client.events import EventRecorder
from kube.client.informer import Informer
from kube.client.rest import Client
from kubelet import fleet as fleets
from kubelet import metrics, node_capacity, runtimes
from kubelet.configuration import Configuration, Surface, node_dns
from kubelet.doorkeeper import Doorkeeper
from kubelet.fleet import Fleet, Member
from kubelet.kubelet import Home, Kubelet
from kubelet.logs.rotation import Policy, Rotation
from kubelet.node_flags import NodeFlags, gather, node_flags
from kubelet.node_reporter import NodeReporter, Rhythm
from kubelet.node_status import Condition, NodeFacts
from kubelet.pod_worker import Node
from kubelet.process_pods import ProcessPods
from kubelet.runtime.interface import Runtime
from kubelet.runtimes import RUNTIMES, Place
from kubelet.server.gate import Gate
from kubelet.server.served import Served
from kubelet.server.server import KubeletServer
from kubelet.static_pods import StaticPods
from kubelet.stats.collector import Collector
from kubelet.stats.machine import Machine, cpu_count, memory_bytes
from kubelet.volumes.interface import NoVolumes, PodVolumes
from kubelet.volumes.objects import PodObjects
from kubelet.volumes.tokens import Tokens
from kubelet.volumes.volumes import Place as VolumesPlace
from kubelet.volumes.volumes import Volumes


@dataclass(frozen=True, slots=True)
class Options:
    """The flags."""

    kubeconfig: str
    node_name: str
    node_ip: str
    pod_cidr: str
    port: int
    root_dir: Path
    tls_cert_file: str
    tls_private_key_file: str
    client_ca_file: str
    rhythm: Rhythm
    container_runtime: str
    log_policy: Policy
    container_runtime_endpoint: str
    node: NodeFlags
    nodes: int | None = None


def _bytes(_context: click.Context, _parameter: click.Parameter, text: str) -> int:
    try:
        size = quantity.parse(text).value()
    except ValueError:
        size = 0
    if size <= 0:
        raise click.BadParameter(f"{text!r} is no size such as 10Mi")
    return size


@click.command()
@click.option("--kubeconfig", required=True, help="How to reach the API server, and as whom.")
@click.option("--hostname-override", help="The node's name.  [default: this machine's]")
@click.option("--node-ip", default="127.0.0.1", show_default=True, help="The node's address.")
@click.option("--pod-cidr", required=True, help="The network pods get their addresses from.")
@click.option("--port", default=10250, show_default=True, help="The kubelet's HTTPS port.")
@click.option("--root-dir", required=True, type=click.Path(path_type=Path), help="Where containers are kept.")
@click.option("--tls-cert-file", required=True, help="The server certificate.")
@click.option("--tls-private-key-file", required=True, help="Its key.")
@click.option("--client-ca-file", required=True, help="The authority of clients' certificates.")
@click.option(
    "--node-status-update-frequency",
    type=DURATION,
    default="10s",
    show_default=True,
    help="How often to see that the node's status is what it should be.",
)
@click.option(
    "--node-lease-duration-seconds",
    type=click.IntRange(min=1),
    default=40,
    show_default=True,
    help="How long the node's Lease lasts; it is renewed four times in that time.",
)
@click.option(
    "--container-runtime",
    type=click.Choice(list(RUNTIMES)),
    default="fake",
    show_default=True,
    help="What runs the containers.",
)
@click.option(
    "--container-runtime-endpoint",
    default="",
    help="Docker's socket, as a URL.  [default: DOCKER_HOST, or unix:///var/run/docker.sock]",
)
@click.option(
    "--container-log-max-size",
    default="10Mi",
    show_default=True,
    callback=_bytes,
    help="How long a container's log may grow before it is turned over.",
)
@click.option(
    "--container-log-max-files",
    type=click.IntRange(min=2),
    default=5,
    show_default=True,
    help="How many files a container's log may have.",
)
@click.option(
    "--nodes",
    type=click.IntRange(min=1),
    help="Be a fleet of so many pretended nodes, <name>-0 and on, each with a /24 of --pod-cidr.",
)
@node_flags
@click.option("--log-level", default="info", show_default=True)
def main(
    kubeconfig: str,
    hostname_override: str | None,
    node_ip: str,
    pod_cidr: str,
    port: int,
    root_dir: Path,
    tls_cert_file: str,
    tls_private_key_file: str,
    client_ca_file: str,
    node_status_update_frequency: timedelta,
    node_lease_duration_seconds: int,
    container_runtime: str,
    container_runtime_endpoint: str,
    container_log_max_size: int,
    container_log_max_files: int,
    nodes: int | None,
    log_level: str,
    **node: Any,
) -> None:
    """Run the pods of one node."""
    logs.configure("kubelet", log_level)
    name = hostname_override or platform.node().lower()
    options = Options(
        kubeconfig,
        name,
        node_ip,
        pod_cidr,
        port,
        root_dir,
        tls_cert_file,
        tls_private_key_file,
        client_ca_file,
        Rhythm(node_status_update_frequency.total_seconds(), node_lease_duration_seconds),
        container_runtime,
        Policy(container_log_max_size, container_log_max_files),
        container_runtime_endpoint,
        gather(node),
        nodes,
    )
    run(partial(_run, options))


async def _run(options: Options) -> None:
    clock = SystemClock()
    chance = random.Random()
    server_tls = tls.server_context(
        options.tls_cert_file, options.tls_private_key_file, options.client_ca_file, require_client=False
    )
    runtime = _runtime(options, clock, chance)
    await runtime.start()
    config = ClientConfig.load(options.kubeconfig)
    client = Client(config, user_agent="kubelet", at_once=fleets.AT_ONCE_MAX)
    heartbeats = Client(config, user_agent="kubelet")
    async with Tasks() as tasks:
        pods_dir = options.root_dir.absolute() / "pods"
        facts = _facts(options, f"{runtime.name}://{runtime.version}")
        objects, services = PodObjects(client, tasks), Informer(client, SERVICES)
        has_tmpfs = options.container_runtime != "fake" and os.geteuid() == 0
        place = VolumesPlace(pods_dir, options.node_ip, facts.allocatable, has_tmpfs)
        volumes: PodVolumes = Volumes(place, client, objects, clock, Tokens(client, clock))
        if options.nodes is not None:
            volumes = NoVolumes()
        surface = Surface(
            options.node_ip,
            facts.allocatable,
            node_dns(),
            options.node.cluster_dns,
            options.node.cluster_domain,
            has_files=options.nodes is None,
        )
        configuration = Configuration(surface, objects, services, volumes, pods_dir)
        recorder = EventRecorder(client, "kubelet", options.node_name)
        node = Node(
            options.node_ip,
            runtime,
            client,
            recorder,
            clock,
            pods_dir if options.nodes is None else None,
            volumes,
            configuration,
            options.node.backoff,
        )
        nodes = Informer(heartbeats, NODES, field_selector=_selector(options))
        fleet = _fleet(options, node, facts, heartbeats, nodes)
        kubelet, first = Kubelet(fleet.homes, tasks), next(iter(fleet.members))
        if (folder := options.node.static_pods) is not None:
            static = StaticPods(folder, first, kubelet.mirrors, kubelet.start_static)
            static.look()
            tasks.start("static pods", static.run)
        process_logs: Mapping[str, Path] = {}
        if (folder := options.node.processes) is not None:
            shown = ProcessPods(folder, first, options.node_ip, kubelet.mirrors, clock)
            process_logs = shown.logs
            tasks.start("process pods", shown.run)
        server = _server(options, server_tls, kubelet, fleet, node, process_logs)
        await server.start()
        try:
            tasks.start("events", recorder.run)
            tasks.start("informer nodes", nodes.run)
            tasks.start("fleet", fleet.start, tasks)
            tasks.start("informer services", services.run)
            tasks.start("volumes", volumes.run)
            tasks.start("pods", kubelet.run)
            tasks.start("log rotation", Rotation(runtime, clock, options.log_policy).run)
            await asyncio.Event().wait()
        finally:
            await tasks.cancel()
            await runtime.stop()
            await server.stop()
            await client.close()
            await heartbeats.close()


def _selector(options: Options) -> str:
    """Which nodes to hear of: itself; a fleet of all, as they are mostly its own."""
    return f"metadata.name={options.node_name}" if options.nodes is None else ""


def _fleet(options: Options, node: Node, facts: NodeFacts, heartbeats: Client, nodes: Informer) -> Fleet:
    """The node, or as many pretended ones as `--nodes` says."""
    names = fleets.names(options.node_name, options.nodes)
    cidrs = _networks(options)
    fares = partial(_fares, options, node.runtime, node.clock)
    members = {}
    for name in names:
        own = replace(
            facts, name=name, pod_cidr=str(cidrs.get(name, facts.pod_cidr)), machine_id=_machine_id(name)
        )
        recorder = node.recorder.on(name)
        reporter = NodeReporter(
            own,
            heartbeats,
            nodes,
            recorder,
            node.clock,
            options.rhythm,
            fares,
            has_events=options.nodes is None,
        )
        door = Doorkeeper(node.client, recorder, node.clock, reporter.last_node)
        members[name] = Member(Home(replace(node, recorder=recorder), door), reporter)
    return Fleet(members, options.rhythm.lease_seconds / 4)


def _networks(options: Options) -> dict[str, IPv4Network]:
    """Those of a fleet's nodes; a single node has all of `--pod-cidr`."""
    if options.nodes is None:
        return {}
    try:
        return fleets.networks(_pod_network(options), fleets.names(options.node_name, options.nodes))
    except ValueError as error:
        raise StartupError(f"--pod-cidr {options.pod_cidr}: {error}") from error


def _pod_network(options: Options) -> IPv4Network:
    try:
        return IPv4Network(options.pod_cidr)
    except ValueError as error:
        raise StartupError(f"--pod-cidr {options.pod_cidr}: {error}") from error


def _machine_id(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, name))


def _runtime(options: Options, clock: Clock, chance: random.Random) -> Runtime:
    if options.nodes is not None and options.container_runtime != "fake":
        raise StartupError(f"--nodes: a fleet's containers are pretended, not {options.container_runtime}")
    place = Place(
        options.node_name,
        options.node_ip,
        _pod_network(options),
        options.root_dir,
        clock,
        chance,
        options.container_runtime_endpoint,
        _networks(options),
    )
    return runtimes.make(options.container_runtime, place)


def _server(
    options: Options,
    server_tls: ssl.SSLContext,
    kubelet: Kubelet,
    fleet: Fleet,
    node: Node,
    process_logs: Mapping[str, Path],
) -> KubeletServer:
    metrics.register(REGISTRY, node.runtime)
    return KubeletServer(
        options.node_ip,
        options.port,
        server_tls,
        checks={
            "pods": lambda: None if kubelet.pods.has_synced else "the node's pods are not listed yet",
            "node": fleet.missing,
        },
        registry=REGISTRY,
        served=Served(
            kubelet.pods.store,
            node.runtime,
            node.clock,
            node_name=options.node_name,
            process_logs=process_logs,
            collector=Collector(_machine(options)),
        ),
        gate=Gate(node.client, options.node_name),
    )


def _machine(options: Options) -> Machine | None:
    """The machine that the node is; None where containers are only pretended."""
    if options.container_runtime == "fake":
        return None
    options.root_dir.mkdir(parents=True, exist_ok=True)
    return Machine(options.root_dir)


def _facts(options: Options, runtime: str) -> NodeFacts:
    capacity = _capacity(options)
    kept_free = options.node.eviction_hard if _machine(options) else {}
    architectures = {"x86_64": "amd64", "aarch64": "arm64"}
    return NodeFacts(
        name=options.node_name,
        ip=options.node_ip,
        port=options.port,
        pod_cidr=options.pod_cidr,
        machine=architectures.get(platform.machine(), platform.machine()),
        kernel=platform.release(),
        os_image=_os_image(),
        machine_id=_machine_id(options.node_name),
        boot_id=_read("/proc/sys/kernel/random/boot_id"),
        runtime=runtime,
        capacity=capacity,
        allocatable=node_capacity.allocatable(
            capacity, (options.node.system_reserved, options.node.kube_reserved), kept_free
        ),
        own_labels=options.node.labels,
        taints=options.node.taints,
    )


def _capacity(options: Options) -> dict[str, str]:
    """What the machine has; of a pretended node, what it says it has."""
    if (machine := _machine(options)) is None:
        pods = {"pods": str(options.node.max_pods)}
        return {**node_capacity.CAPACITY, **pods, **options.node.fake_capacity}
    disk_bytes = machine.disk().capacity_bytes
    return node_capacity.of_machine(cpu_count(), memory_bytes(), disk_bytes, options.node.max_pods)


def _fares(options: Options, runtime: Runtime, clock: Clock) -> Condition:
    """How the node fares now; a pretended one never lacks anything."""
    machine = _machine(options)
    low = node_capacity.pressures(machine.usage(clock.now()), options.node.eviction_hard) if machine else ()
    return Condition(runtime.problem(), low, runtime.list_images())


def _os_image() -> str:
    lines = dict(line.split("=", 1) for line in _read("/etc/os-release").splitlines() if "=" in line)
    return lines.get("PRETTY_NAME", "Linux").strip('"')


def _read(path: str) -> str:
    return Path(path).read_text().strip() if os.path.exists(path) else ""
