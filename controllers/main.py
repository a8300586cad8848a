"""Shell: the controller manager: one process with all controllers, sharing one set of caches.

    kubeconfig -> client -> informers (one a kind) -> controllers (the table) -> workers

The table `CONTROLLERS` is the list of what runs. Caches are filled before the first worker starts.
With --leader-elect several managers may run; those that do not lead have no caches and do nothing.
"""

from __future__ import annotations

import asyncio
import functools
import random
import ssl
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import click
from prometheus_client import REGISTRY, CollectorRegistry

from controllers.accounts import Account, make_missing
from controllers.certificate_signing_request import controller as certificate_signing_request
from controllers.certificate_signing_request.authority import Authority
from controllers.cluster_role_aggregation import controller as cluster_role_aggregation
from controllers.cronjob import controller as cronjob
from controllers.daemonset import controller as daemonset
from controllers.deployment import controller as deployment
from controllers.disruption import controller as disruption
from controllers.endpoints import controller as endpoints
from controllers.endpointslice import controller as endpointslice
from controllers.endpointslice_mirroring import controller as endpointslice_mirroring
from controllers.ephemeral_volume import controller as ephemeral_volume
from controllers.garbage_collector import controller as garbage_collector
from controllers.horizontal_pod_autoscaler import controller as horizontal_pod_autoscaler
from controllers.horizontal_pod_autoscaler.flags import autoscaling_flags, options
from controllers.horizontal_pod_autoscaler.plan import Options
from controllers.host_path_provisioner import controller as host_path_provisioner
from controllers.host_path_provisioner.folders import Folders
from controllers.job import controller as job
from controllers.legacy_token_cleaner import controller as legacy_token_cleaner
from controllers.legacy_token_cleaner.plan import PERIOD
from controllers.namespace import controller as namespace
from controllers.node_ipam import controller as node_ipam
from controllers.node_ipam.flags import layout, range_flags
from controllers.node_ipam.ranges import Layout
from controllers.node_lifecycle import controller as node_lifecycle
from controllers.node_lifecycle.plan import Patience
from controllers.node_lifecycle.zones import Rates
from controllers.persistent_volume import controller as persistent_volume
from controllers.pod_garbage_collector import controller as pod_garbage_collector
from controllers.pod_garbage_collector.terminated import THRESHOLD
from controllers.replicaset import controller as replicaset
from controllers.replicaset.kinds import REPLICA_SET, REPLICATION_CONTROLLER
from controllers.resource_quota import controller as resource_quota
from controllers.root_ca_publisher import controller as root_ca_publisher
from controllers.selection import UnknownController, selected
from controllers.service_load_balancer import controller as service_load_balancer
from controllers.service_load_balancer.addresses import Network
from controllers.service_load_balancer.flags import balancer_flags, balancer_range
from controllers.serviceaccount import controller as serviceaccount
from controllers.serviceaccount_token import controller as serviceaccount_token
from controllers.serviceaccount_token.signer import Signer
from controllers.statefulset import controller as statefulset
from controllers.taint_eviction import controller as taint_eviction
from controllers.ttl_after_finished import controller as ttl_after_finished
from controllers.volume_protection import controller as volume_protection
from controllers.wiring import Wiring
from kube.base import logs, tls
from kube.base.clock import SystemClock
from kube.base.flags import DURATION
from kube.base.health import HealthServer
from kube.base.run import StartupError, run
from kube.base.tasks import Tasks
from kube.client.config import ClientConfig
from kube.client.identity import listener_identity
from kube.client.informer import InformerFactory
from kube.client.leader_election import Timing, elector, timing_flags
from kube.client.rest import Client
from kube.client.workqueue_metrics import QueueMetrics
from kube.controller.controller import Controller

log = logs.logger(__name__)

NAME = "kube-controller-manager"
PORT = click.IntRange(0, 65535)
NODE_PATIENCE = Patience()
AUTOSCALING = Options()


@dataclass(frozen=True, slots=True)
class Settings:
    """What the flags say to single controllers; where a file is missing, those that need it do not run."""

    root_ca: str | None = None
    patience: Patience = NODE_PATIENCE
    authority: Authority | None = None
    folders: Folders | None = None
    signer: Signer | None = None
    terminated_pod_threshold: int = THRESHOLD
    autoscaling: Options = AUTOSCALING
    own_accounts: bool = False
    node_ranges: Layout | None = None
    unused_token_period: timedelta = PERIOD
    balancer_range: Network | None = None


Build = Callable[[Wiring, Settings], Sequence[Controller[Any]]]


@dataclass(frozen=True, slots=True)
class Row:
    """One controller: its ServiceAccount in kube-system, if not the manager itself calls for it."""

    account: str | None
    build: Build


# Name, as Kubernetes calls it in --controllers -> as whom it calls, and how to build it.
CONTROLLERS: dict[str, Row] = {
    "serviceaccount-controller": Row("service-account-controller", lambda w, s: [serviceaccount.build(w)]),
    "root-ca-certificate-publisher-controller": Row(
        "root-ca-cert-publisher",
        lambda w, s: [root_ca_publisher.build(w, s.root_ca)] if s.root_ca is not None else [],
    ),
    # Who makes tokens needs none: accounts would wait for one another.
    "serviceaccount-token-controller": Row(
        None,
        lambda w, s: [serviceaccount_token.build(w, s.signer, s.root_ca)] if s.signer is not None else [],
    ),
    "legacy-serviceaccount-token-cleaner-controller": Row(
        "legacy-service-account-token-cleaner",
        lambda w, s: [legacy_token_cleaner.build(w, s.unused_token_period)],
    ),
    "clusterrole-aggregation-controller": Row(
        "clusterrole-aggregation-controller", lambda w, s: [cluster_role_aggregation.build(w)]
    ),
    "certificatesigningrequest-signing-controller": Row(
        "certificate-controller", lambda w, s: [certificate_signing_request.build(w, s.authority)]
    ),
    "replicaset-controller": Row("replicaset-controller", lambda w, s: [replicaset.build(REPLICA_SET, w)]),
    "replicationcontroller-controller": Row(
        "replication-controller", lambda w, s: [replicaset.build(REPLICATION_CONTROLLER, w)]
    ),
    "deployment-controller": Row("deployment-controller", lambda w, s: [deployment.build(w)]),
    "statefulset-controller": Row("statefulset-controller", lambda w, s: [statefulset.build(w)]),
    "daemonset-controller": Row("daemon-set-controller", lambda w, s: [daemonset.build(w)]),
    "job-controller": Row("job-controller", lambda w, s: job.build(w)),
    "cronjob-controller": Row("cronjob-controller", lambda w, s: [cronjob.build(w)]),
    "ttl-after-finished-controller": Row(
        "ttl-after-finished-controller", lambda w, s: [ttl_after_finished.build(w)]
    ),
    "endpointslice-controller": Row("endpointslice-controller", lambda w, s: [endpointslice.build(w)]),
    "endpointslice-mirroring-controller": Row(
        "endpointslicemirroring-controller", lambda w, s: [endpointslice_mirroring.build(w)]
    ),
    "endpoints-controller": Row("endpoint-controller", lambda w, s: [endpoints.build(w)]),
    "service-lb-controller": Row(
        "service-controller",
        lambda w, s: (
            [service_load_balancer.build(w, s.balancer_range)] if s.balancer_range is not None else []
        ),
    ),
    "node-ipam-controller": Row(
        "node-controller",
        lambda w, s: [node_ipam.build(w, s.node_ranges)] if s.node_ranges is not None else [],
    ),
    "node-lifecycle-controller": Row("node-controller", lambda w, s: [node_lifecycle.build(w, s.patience)]),
    "taint-eviction-controller": Row("node-controller", lambda w, s: [taint_eviction.build(w)]),
    "pod-garbage-collector-controller": Row(
        "pod-garbage-collector",
        lambda w, s: pod_garbage_collector.build(w, s.terminated_pod_threshold),
    ),
    "persistentvolume-binder-controller": Row(
        "persistent-volume-binder", lambda w, s: [persistent_volume.build(w)]
    ),
    "host-path-provisioner-controller": Row(
        "host-path-provisioner",
        lambda w, s: [host_path_provisioner.build(w, s.folders)] if s.folders is not None else [],
    ),
    "persistentvolumeclaim-protection-controller": Row(
        "pvc-protection-controller", lambda w, s: [volume_protection.build_claims(w)]
    ),
    "persistentvolume-protection-controller": Row(
        "pv-protection-controller", lambda w, s: [volume_protection.build_volumes(w)]
    ),
    "ephemeral-volume-controller": Row(
        "ephemeral-volume-controller", lambda w, s: [ephemeral_volume.build(w)]
    ),
    "horizontal-pod-autoscaler-controller": Row(
        "horizontal-pod-autoscaler", lambda w, s: [horizontal_pod_autoscaler.build(w, s.autoscaling)]
    ),
    "disruption-controller": Row("disruption-controller", lambda w, s: disruption.build(w)),
    # These look at every kind; they come last, so that kinds looked at in full are watched once.
    "resourcequota-controller": Row("resourcequota-controller", lambda w, s: [resource_quota.build(w)]),
    "garbage-collector-controller": Row(
        "generic-garbage-collector", lambda w, s: [garbage_collector.build(w)]
    ),
    "namespace-controller": Row("namespace-controller", lambda w, s: [namespace.build(w)]),
}


def build_controllers(wiring: Wiring, settings: Settings, names: Sequence[str]) -> list[Controller[Any]]:
    """The controllers of these names, in the order of the table."""
    rows = [CONTROLLERS[name] for name in names]
    return [each for row in rows for each in row.build(_calling(wiring, row.account, settings), settings)]


def accounts_of(names: Sequence[str]) -> list[str]:
    """The ServiceAccounts of the controllers of these names, each once."""
    accounts = (CONTROLLERS[name].account for name in names)
    return [*dict.fromkeys(each for each in accounts if each is not None)]


def _calling(wiring: Wiring, account: str | None, settings: Settings) -> Wiring:
    if account is None or not settings.own_accounts:
        return wiring
    return wiring.calling(wiring.client.with_tokens(Account(wiring.client, account, wiring.clock)))


class Manager:
    """The controllers at work; says of itself whether it is ready."""

    def __init__(
        self,
        client: Client,
        settings: Settings,
        workers: int,
        names: Sequence[str] = tuple(CONTROLLERS),
        registry: CollectorRegistry | None = None,
    ) -> None:
        self._client, self._settings, self._workers, self._names = client, settings, workers, names
        self._queues = QueueMetrics(registry) if registry is not None else None
        self._informers: InformerFactory | None = None

    def unsynced(self) -> str | None:
        """Which caches are still empty, for /readyz; a manager that waits to lead is ready."""
        missing = self._informers.unsynced if self._informers is not None else []
        return f"waiting for {', '.join(missing)}" if missing else None

    async def lead(self) -> None:
        """Fill the caches and run all controllers until cancelled."""
        chance = random.Random()
        self._informers = InformerFactory(self._client, chance)
        wiring = Wiring(self._client, self._informers, SystemClock(), chance, self._queues)
        controllers = build_controllers(wiring, self._settings, self._names)
        async with Tasks() as tasks:
            self._informers.start(tasks)
            wiring.start_recorders(tasks)
            await self._informers.wait_synced()
            if self._settings.own_accounts:
                tasks.start("accounts", make_missing, self._client, accounts_of(self._names))
            log.info("caches filled, starting workers", controllers=len(controllers), workers=self._workers)
            for each in controllers:
                each.start(tasks, self._workers)
            await asyncio.Event().wait()


async def serve(
    config: ClientConfig,
    names: Sequence[str],
    health_address: tuple[str, int],
    health_context: ssl.SSLContext,
    settings: Settings,
    workers: int,
    election: Timing | None,
) -> None:
    """Run the manager until cancelled."""
    async with AsyncExitStack() as stack:
        if election:
            identity = listener_identity(*health_address)
            elected = await stack.enter_async_context(elector(config, NAME, identity, election, REGISTRY))
            client = Client(config, NAME, may_write=elected.may_act)
        else:
            elected, client = None, Client(config, NAME)
        stack.push_async_callback(client.close)
        manager = Manager(client, settings, workers, names, REGISTRY)
        health = HealthServer(*health_address, health_context, {"informer-sync": manager.unsynced})
        stack.push_async_callback(health.stop)
        await health.start()
        log.info("started", address=f"{health_address[0]}:{health.port}", leader_elect=bool(election))
        while elected is not None:
            await elected.run(manager.lead)
        await manager.lead()


def _read(path: str, flag: str) -> str:
    try:
        return Path(path).read_text()
    except OSError as error:
        raise StartupError(f"cannot read {flag} {path}: {error.strerror}") from error


async def start(
    kubeconfig: str,
    bind_address: str,
    secure_port: int,
    tls_cert_file: str,
    tls_private_key_file: str,
    client_ca_file: str,
    root_ca_file: str | None,
    leader_elect: bool,
    leader_elect_lease_duration: timedelta,
    leader_elect_renew_deadline: timedelta,
    leader_elect_retry_period: timedelta,
    concurrent_syncs: int,
    node_monitor_grace_period: timedelta,
    node_startup_grace_period: timedelta,
    node_monitor_period: timedelta,
    host_path_provisioner_dir: str | None,
    node_eviction_rate: float,
    secondary_node_eviction_rate: float,
    large_cluster_size_threshold: int,
    unhealthy_zone_threshold: float,
    service_account_private_key_file: str | None,
    cluster_signing_cert_file: str | None,
    cluster_signing_key_file: str | None,
    cluster_signing_duration: timedelta,
    controllers: str,
    terminated_pod_gc_threshold: int,
    use_service_account_credentials: bool,
    legacy_service_account_token_clean_up_period: timedelta,
    **others: Any,
) -> None:
    """Read the files that the flags name, then serve."""
    try:
        names = selected(controllers.split(","), CONTROLLERS)
    except UnknownController as error:
        raise StartupError(f"--controllers: {error}") from error
    if bool(cluster_signing_cert_file) != bool(cluster_signing_key_file):
        raise StartupError("--cluster-signing-cert-file and --cluster-signing-key-file go together: set both")
    config = ClientConfig.load(kubeconfig)
    context = tls.server_context(tls_cert_file, tls_private_key_file, client_ca_file)
    root_ca = _read(root_ca_file, "--root-ca-file") if root_ca_file else None
    address = (bind_address, secure_port)
    rates = Rates(
        node_eviction_rate,
        secondary_node_eviction_rate,
        large_cluster_size_threshold,
        unhealthy_zone_threshold,
    )
    patience = Patience(node_monitor_grace_period, node_startup_grace_period, node_monitor_period, rates)
    signer = Signer.load(service_account_private_key_file) if service_account_private_key_file else None
    authority = None
    if cluster_signing_cert_file and cluster_signing_key_file:
        authority = Authority.load(
            cluster_signing_cert_file, cluster_signing_key_file, cluster_signing_duration
        )
    folders = Folders(Path(host_path_provisioner_dir)) if host_path_provisioner_dir else None
    timing = Timing(leader_elect_lease_duration, leader_elect_renew_deadline, leader_elect_retry_period)
    election = timing if leader_elect else None
    settings = Settings(
        root_ca,
        patience,
        authority,
        folders,
        signer,
        terminated_pod_gc_threshold,
        options(others),
        use_service_account_credentials,
        layout(others),
        legacy_service_account_token_clean_up_period,
        balancer_range(others),
    )
    await serve(config, names, address, context, settings, concurrent_syncs, election)


@click.command()
@click.option("--kubeconfig", required=True, help="Where the API servers are, and as whom to call them.")
@click.option("--bind-address", default="127.0.0.1", show_default=True, help="Address to serve health on.")
@click.option("--secure-port", type=PORT, default=6490, show_default=True, help="Port of health, with TLS.")
@click.option("--tls-cert-file", required=True, help="Certificate of this server (PEM).")
@click.option("--tls-private-key-file", required=True, help="Its key (PEM).")
@click.option("--client-ca-file", required=True, help="Authority of those who may ask for health.")
@click.option("--root-ca-file", help="Authority to publish in every namespace as kube-root-ca.crt.")
@click.option("--leader-elect/--no-leader-elect", default=False, help="Work only while holding the Lease.")
@timing_flags
@click.option("--concurrent-syncs", default=5, show_default=True, help="Workers of each controller.")
@click.option(
    "--node-monitor-grace-period",
    type=DURATION,
    default="50s",
    show_default=True,
    help="How long a node may be silent before it is given up.",
)
@click.option(
    "--node-startup-grace-period",
    type=DURATION,
    default="60s",
    show_default=True,
    help="The same for a node that has never reported.",
)
@click.option(
    "--node-monitor-period", type=DURATION, default="5s", show_default=True, help="How often to look."
)
@click.option(
    "--node-eviction-rate",
    type=click.FloatRange(min=0),
    default=0.1,
    show_default=True,
    help="How many lost nodes of a zone are emptied a second.",
)
@click.option(
    "--secondary-node-eviction-rate",
    type=click.FloatRange(min=0),
    default=0.01,
    show_default=True,
    help="The same while most of a large zone is lost; in a small one none is.",
)
@click.option(
    "--large-cluster-size-threshold", default=50, show_default=True, help="More nodes make a zone large."
)
@click.option(
    "--unhealthy-zone-threshold",
    type=click.FloatRange(0, 1),
    default=0.55,
    show_default=True,
    help="What share of lost nodes is most of a zone.",
)
@click.option(
    "--terminated-pod-gc-threshold",
    default=THRESHOLD,
    show_default=True,
    help="How many pods that have ended may stay; 0 lets all of them.",
)
@autoscaling_flags
@range_flags
@balancer_flags
@click.option("--service-account-private-key-file", help="Key that signs the lasting tokens in Secrets.")
@click.option(
    "--legacy-service-account-token-clean-up-period",
    type=DURATION,
    default="8760h",
    show_default=True,
    help="How long such a token may be unused before it is marked, and marked before it goes.",
)
@click.option("--cluster-signing-cert-file", help="Authority that signs certificate requests (PEM).")
@click.option("--cluster-signing-key-file", help="Its key (PEM).")
@click.option(
    "--cluster-signing-duration",
    type=DURATION,
    default="8760h",
    show_default=True,
    help="How long a signed certificate is valid at most.",
)
@click.option(
    "--host-path-provisioner-dir",
    help="Folder of this machine for volumes of the provisioner kubelite.dev/host-path; without it, none.",
)
@click.option(
    "--controllers",
    default="*",
    show_default=True,
    help="Which controllers run, by name; * is all of them, -name all but that one.",
)
@click.option(
    "--use-service-account-credentials/--no-use-service-account-credentials",
    default=False,
    show_default=True,
    help="Each controller calls the API as a ServiceAccount of its own.",
)
@click.option("--log-level", default="info", show_default=True, help="debug, info, warning or error.")
def main(log_level: str, **flags: Any) -> None:
    """Run the controllers: the loops that make the cluster what its objects say."""
    logs.configure("controller-manager", log_level)
    run(functools.partial(start, **flags))
