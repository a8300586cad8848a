"""Shell: waits until a cluster that is being started is of use, or says why it will not be.

Usable: the API server is ready on the shared port, every node is Ready, the default ServiceAccount exists, so
that the first `kubectl create` makes a Pod that runs; the Service kube-dns exists, which is made here; and
every API server has found the metrics server, so that discovery is whole. A process that ends with an exit
code of its own while starting cannot start (a port in use, an unreadable file): the last line of its log says
why.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from deploy import addons, control
from deploy.errors import LaunchError
from deploy.layout import Layout, local_url
from deploy.logs import last_line
from deploy.processes import apiserver_urls, dns_address
from deploy.topology import Topology
from kube.api import conditions
from kube.api.errors import StatusError
from kube.api.resources import NODES, SERVICE_ACCOUNTS
from kube.client.config import ClientConfig
from kube.client.rest import Client, ConnectionFailed

DEADLINE_SECONDS = 60.0
# More for each node of a fleet.
FLEET_NODE_SECONDS = 0.1
# A list of a thousand nodes is a second's work now and then, and none ten times a second.
POLL_SECONDS, FLEET_POLL_SECONDS = 0.1, 2.0
METRICS_GROUP = "metrics.k8s.io"
AGGREGATED_DISCOVERY = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
# How many names of missing nodes are shown.
NAMES_MAX = 5

Say = Callable[[str], None]
# What is still missing for a step, or None when it is reached.
Check = Callable[[], Awaitable[str | None]]


async def wait_usable(topology: Topology, layout: Layout, say: Say) -> None:
    """Return when the cluster is usable; `say` hears of each step."""
    shared = (local_url(layout.shared_api_port),)
    client = Client(replace(ClientConfig.load(layout.admin_kubeconfig), servers=shared), "kubelite-up")
    try:
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(_watch_processes(layout))
            await _reach_all(topology, client, layout, say)
            watching.cancel()
    except* LaunchError as errors:
        raise errors.exceptions[0] from None
    finally:
        await client.close()


async def _reach_all(topology: Topology, client: Client, layout: Layout, say: Say) -> None:
    """Walk through the steps, in the order in which a cluster comes alive."""
    began = asyncio.get_running_loop().time()
    deadline_seconds = DEADLINE_SECONDS + topology.fleet * FLEET_NODE_SECONDS
    steps: dict[str, Check] = {
        "the API answers": lambda: _api_missing(client),
        f"all {len(topology.all_nodes)} nodes are Ready": lambda: _nodes_missing(client, topology),
        "the default service account exists": lambda: _service_account_missing(client),
    }
    if address := dns_address(topology, layout):
        steps["the Service kube-dns exists"] = lambda: _dns_missing(client, address)
    if topology.metrics_server:
        steps[f"{METRICS_GROUP} is served"] = lambda: _metrics_missing(topology, layout)
    for step, check in steps.items():
        missing = await check()
        while missing:
            await asyncio.sleep(FLEET_POLL_SECONDS if topology.fleet else POLL_SECONDS)
            if asyncio.get_running_loop().time() - began > deadline_seconds:
                raise LaunchError(
                    f"not usable after {deadline_seconds:g} s: {missing}; see {layout.log('*')}"
                )
            missing = await check()
        say(f"{asyncio.get_running_loop().time() - began:5.1f} s  {step}")


async def _api_missing(client: Client) -> str | None:
    try:
        answer = await client.request("GET", "/readyz")
    except ConnectionFailed as error:
        return f"the API server does not answer ({error})"
    except StatusError as error:
        return f"the API server is not ready ({error})"
    return None if answer.status_code == 200 else f"the API server is not ready ({answer.text.strip()})"


async def _nodes_missing(client: Client, topology: Topology) -> str | None:
    try:
        nodes = (await client.list(NODES))["items"]
    except (ConnectionFailed, StatusError) as error:
        return f"nodes cannot be listed ({error})"
    ready = {node["metadata"]["name"] for node in nodes if conditions.is_true(node, "Ready")}
    missing = [name for name in topology.all_nodes if name not in ready]
    more = f" and {len(missing) - NAMES_MAX} more" if len(missing) > NAMES_MAX else ""
    return f"not Ready: {', '.join(missing[:NAMES_MAX])}{more}" if missing else None


async def _service_account_missing(client: Client) -> str | None:
    try:
        await client.get(SERVICE_ACCOUNTS, "default", "default")
    except (ConnectionFailed, StatusError) as error:
        return f"the default service account is missing ({error})"
    return None


async def _dns_missing(client: Client, address: str) -> str | None:
    try:
        await addons.ensure_kube_dns(client, address)
    except (ConnectionFailed, StatusError) as error:
        return f"the Service kube-dns cannot be made ({error})"
    return None


async def _metrics_missing(topology: Topology, layout: Layout) -> str | None:
    """Every API server must have found the metrics server: until then discovery looks broken."""
    config = ClientConfig.load(layout.admin_kubeconfig)
    for url in apiserver_urls(topology, layout):
        client = Client(replace(config, servers=(url,)), "kubelite-up")
        try:
            answer = await client.request("GET", "/apis", headers={"Accept": AGGREGATED_DISCOVERY})
            found = [each for each in answer.json()["items"] if each["metadata"]["name"] == METRICS_GROUP]
        except ConnectionFailed as error:
            return f"{url} does not say what is served ({error})"
        finally:
            await client.close()
        if not found or any(each["freshness"] != "Current" for each in found[0]["versions"]):
            return f"{METRICS_GROUP} is not served at {url}"
    return None


async def _watch_processes(layout: Layout) -> None:
    """Raise as soon as a process of the cluster cannot start, or the supervisor has ended."""
    while True:
        await asyncio.sleep(POLL_SECONDS)
        try:
            status = await control.ask(layout.run, "status")
        except TimeoutError:
            continue
        if status is None:
            raise LaunchError(f"the supervisor has ended: {last_line(layout.log('supervisor'))}")
        for process in status["processes"]:
            code = process["lastExitCode"]
            if code is not None and code > 0:
                log = layout.log(process["name"])
                raise LaunchError(f"{process['name']} cannot start: {last_line(log)} (its log: {log})")
