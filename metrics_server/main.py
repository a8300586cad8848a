"""Shell: builds the metrics server and runs it. The wiring diagram, top to bottom.

kubeconfig --> client --> whom to believe --> gate --.
                  |                                   '--> the HTTPS port
                  '--> meter (kubelets) --> answers --'
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import aiohttp
import click
from prometheus_client import CollectorRegistry, ProcessCollector

from kube.base import logs, tls
from kube.base.clock import SystemClock
from kube.base.flags import DURATION
from kube.base.run import StartupError, run
from kube.base.tasks import Tasks
from kube.client.config import ClientConfig
from kube.client.rest import Client
from metrics_server.answers import Answers
from metrics_server.gate import Gate, read_trust
from metrics_server.meter import Meter
from metrics_server.registration import register
from metrics_server.server import MetricsServer

log = logs.logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flags:
    """The command line."""

    kubeconfig: str
    bind_address: str
    secure_port: int
    tls_cert_file: str
    tls_private_key_file: str
    ca_bundle_file: str
    metric_resolution: timedelta
    log_level: str


@click.command(context_settings={"show_default": True})
@click.option("--kubeconfig", required=True, help="How to reach the API server and kubelets, and as whom.")
@click.option("--bind-address", default="127.0.0.1", help="Where to serve.")
@click.option("--secure-port", default=10250, help="At which port.")
@click.option("--tls-cert-file", required=True, help="The server certificate.")
@click.option("--tls-private-key-file", required=True, help="Its key.")
@click.option(
    "--ca-bundle-file",
    default="",
    help="Authority of that certificate: makes a Service and an APIService for this server. "
    "Empty: somebody else does.",
)
@click.option("--metric-resolution", type=DURATION, default="15s", help="For how long a reading is good.")
@click.option("--log-level", default="info", type=click.Choice(["debug", "info", "warning", "error"]))
def main(**options: object) -> None:
    """Serve metrics.k8s.io behind an API server: what nodes and pods use."""
    flags = Flags(**options)  # type: ignore[arg-type]  # click has checked them
    logs.configure("metrics-server", flags.log_level)
    run(_run, flags)


async def _run(flags: Flags) -> None:
    context = tls.server_context(flags.tls_cert_file, flags.tls_private_key_file, None, require_client=False)
    authority = _text(flags.ca_bundle_file)
    config = ClientConfig.load(flags.kubeconfig)
    client = Client(config, user_agent="metrics-server")
    connector = aiohttp.TCPConnector(ssl=config.ssl_context, limit=0)
    kubelets = aiohttp.ClientSession(connector=connector)
    meter = Meter(client, kubelets, flags.metric_resolution.total_seconds())
    try:
        await serve(client, meter, context, (flags.bind_address, flags.secure_port), authority)
    finally:
        await kubelets.close()
        await client.close()


async def serve(
    client: Client, meter: Meter, context: ssl.SSLContext, address: tuple[str, int], authority: str
) -> None:
    """Serve until cancelled, and be known if an authority is named by whom we are known."""
    gate = Gate(client, context, await read_trust(client))
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    answers = Answers(client, meter, SystemClock())
    server = MetricsServer(*address, context, {}, registry, answers, gate)
    await server.start()
    async with Tasks() as tasks:
        try:
            tasks.start("whom to believe", gate.run)
            if authority:
                tasks.start("registration", register, client, address[0], server.port, authority)
            await asyncio.Event().wait()
        finally:
            await tasks.cancel()
            await server.stop()


def _text(path: str) -> str:
    try:
        return Path(path).read_text() if path else ""
    except OSError as error:
        raise StartupError(f"--ca-bundle-file {path}: {error.strerror}") from error
