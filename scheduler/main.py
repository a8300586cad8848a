"""Shell: builds the scheduler and runs it. The wiring diagram, top to bottom."""

from __future__ import annotations

import random
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial

import click
from prometheus_client import REGISTRY

from kube.base import logs, tls
from kube.base.clock import SystemClock
from kube.base.health import HealthServer
from kube.base.run import run
from kube.base.tasks import Tasks
from kube.client.config import ClientConfig
from kube.client.events import EventRecorder
from kube.client.identity import listener_identity
from kube.client.informer import InformerFactory
from kube.client.leader_election import Timing, elector, timing_flags
from kube.client.rest import Client
from scheduler.framework.framework import Framework
from scheduler.framework.volumes import Volumes
from scheduler.metrics import Metrics
from scheduler.nominator import Nominator
from scheduler.plugins.registry import plugins
from scheduler.schedule_one import Cycle
from scheduler.scheduler import NAME, VOLUME_KINDS, Scheduler

LEASE = "kube-scheduler"


@click.command()
@click.option("--kubeconfig", required=True, help="How to reach the API server, and as whom.")
@click.option(
    "--bind-address", default="127.0.0.1", show_default=True, help="Where to serve health and metrics."
)
@click.option("--secure-port", default=10259, show_default=True, help="The port for them.")
@click.option("--tls-cert-file", required=True, help="The server certificate.")
@click.option("--tls-private-key-file", required=True, help="Its key.")
@click.option("--client-ca-file", required=True, help="The authority of clients' certificates.")
@click.option("--leader-elect/--no-leader-elect", default=True, help="Wait until no other scheduler leads.")
@timing_flags
@click.option("--log-level", default="info", show_default=True)
def main(
    kubeconfig: str,
    bind_address: str,
    secure_port: int,
    tls_cert_file: str,
    tls_private_key_file: str,
    client_ca_file: str,
    leader_elect: bool,
    leader_elect_lease_duration: timedelta,
    leader_elect_renew_deadline: timedelta,
    leader_elect_retry_period: timedelta,
    log_level: str,
) -> None:
    """Choose a node for every pod that has none."""
    logs.configure("scheduler", log_level)
    durations = (leader_elect_lease_duration, leader_elect_renew_deadline, leader_elect_retry_period)
    run(
        _run,
        kubeconfig,
        bind_address,
        secure_port,
        (tls_cert_file, tls_private_key_file, client_ca_file),
        durations if leader_elect else None,
    )


async def _run(
    kubeconfig: str,
    bind_address: str,
    secure_port: int,
    tls_files: tuple[str, str, str],
    election: tuple[timedelta, timedelta, timedelta] | None,
) -> None:
    server_tls = tls.server_context(*tls_files)
    config = ClientConfig.load(kubeconfig)
    async with AsyncExitStack() as stack:
        if election:
            identity = listener_identity(bind_address, secure_port)
            elected = await stack.enter_async_context(
                elector(config, LEASE, identity, Timing(*election), REGISTRY)
            )
            client = Client(config, "scheduler", may_write=elected.may_act)
        else:
            elected, client = None, Client(config, "scheduler")
        stack.push_async_callback(client.close)
        recorder = EventRecorder(client, NAME)
        chance = random.Random()
        informers = InformerFactory(client, random=chance)
        volumes = Volumes(*(informers.informer(each).store for each in VOLUME_KINDS))
        framework = Framework(plugins(volumes))
        scheduler = Scheduler(
            client,
            recorder,
            framework,
            Cycle(framework, chance, Nominator()),
            SystemClock(),
            Metrics(REGISTRY),
            volumes,
        )
        scheduler.listen(informers)
        checks = {"informers": lambda: _waiting(informers)}
        health = HealthServer(bind_address, secure_port, server_tls, checks, REGISTRY)
        stack.push_async_callback(health.stop)
        await health.start()
        tasks = await stack.enter_async_context(Tasks())
        tasks.start("events", recorder.run)
        informers.start(tasks)
        await informers.wait_synced()
        lead = partial(scheduler.run, tasks)
        await (elected.run(lead) if elected is not None else lead())


def _waiting(informers: InformerFactory) -> str | None:
    return f"not listed yet: {', '.join(informers.unsynced)}" if informers.unsynced else None
