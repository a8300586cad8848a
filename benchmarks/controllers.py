"""How long does a Deployment take until all its pods are Ready, and what do controllers do at rest?

    .venv/bin/python -P benchmarks/controllers.py [--nodes N] [--replicas N,N,...] [--port-base N]

A cluster of one of everything and a fleet of nodes (deploy/topology-fleet.yaml). Twenty Deployments of ten
replicas, made together, then Deployments of several sizes, one after the other, each timed from its creation
until its status says that all are Ready, and until the last pod is gone. Beside the last one a minute passes
in which nothing happens: what the controller manager uses, and which writes the API server saw from anybody.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.kubelet import Processors, fleet, told
from benchmarks.noise import Noise
from kube.api import meta
from kube.api.resources import DEPLOYMENTS, PODS
from kube.client.config import ClientConfig
from kube.client.informer import Informer
from kube.client.rest import Client

NAMESPACE = "default"
REST_SECONDS, SETTLE_SECONDS = 60.0, 15.0
TOGETHER, TOGETHER_REPLICAS = 20, 10
WRITES = ("POST", "PUT", "PATCH", "DELETE")


class Seen:
    """Deployments and pods as informers tell of them."""

    def __init__(self, client: Client) -> None:
        self.deployments = Informer(client, DEPLOYMENTS, NAMESPACE)
        self.pods = Informer(client, PODS, NAMESPACE)
        self._changed = asyncio.Event()
        for each in (self.deployments, self.pods):
            each.add_handler(self._wake, lambda *_: self._changed.set(), self._wake)

    def _wake(self, _: meta.Object) -> None:
        self._changed.set()

    async def until_ready(self, replicas: dict[str, int]) -> float:
        """When each Deployment says that so many are Ready."""
        while not all(self._is_ready(name, count) for name, count in replicas.items()):
            await self._change()
        return time.perf_counter()

    async def until_empty(self) -> float:
        """When the last pod is gone."""
        while self.pods.store.list():
            await self._change()
        return time.perf_counter()

    def _is_ready(self, name: str, count: int) -> bool:
        found = self.deployments.store.get(f"{NAMESPACE}/{name}")
        return found is not None and meta.get(found, "status", "readyReplicas") == count

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()


def deployment(name: str, replicas: int) -> meta.Object:
    labels = {"app": name}
    pod = {"containers": [{"name": "main", "image": "registry.k8s.io/pause:3.10"}]}
    spec = {
        "replicas": replicas,
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": pod},
    }
    return {"metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec}


async def roll_out(client: Client, seen: Seen, replicas: dict[str, int]) -> float:
    """Make them together; the seconds until all are Ready."""
    begin = time.perf_counter()
    await asyncio.gather(
        *(client.create(DEPLOYMENTS, deployment(name, count)) for name, count in replicas.items())
    )
    return await seen.until_ready(replicas) - begin


async def remove(client: Client, seen: Seen, names: dict[str, int]) -> float:
    """Delete them; the seconds until the last pod is gone."""
    begin = time.perf_counter()
    for name in names:
        await client.delete(DEPLOYMENTS, NAMESPACE, name, propagation_policy="Background")
    return await seen.until_empty() - begin


async def writes(client: Client) -> Counter[str]:
    """What the API server has been asked to write since its start, by verb and resource."""
    response = await client.request("GET", "/metrics")
    found: Counter[str] = Counter()
    for family in text_string_to_metric_families(response.text):
        for sample in family.samples:
            if sample.name == "apiserver_request_total" and sample.labels["verb"] in WRITES:
                found[f"{sample.labels['verb']} {_resource(sample.labels)}"] += int(sample.value)
    return found


def _resource(labels: dict[str, Any]) -> str:
    return "/".join(filter(None, (labels["resource"], labels.get("subresource"))))


async def measure(data_dir: Path, sizes: list[int]) -> None:
    noise, processors = Noise(), Processors(data_dir)
    client = Client(ClientConfig.load(str(data_dir / "admin.kubeconfig")), user_agent="benchmark")
    seen = Seen(client)
    following = [asyncio.ensure_future(each.run()) for each in (seen.deployments, seen.pods)]
    await asyncio.gather(seen.deployments.wait_synced(), seen.pods.wait_synced())
    groups = {f"{TOGETHER} Deployments of {TOGETHER_REPLICAS}": _together()}
    groups |= {f"{size} replicas": {f"web-{size}": size} for size in sizes}
    for title, replicas in groups.items():
        processors.used()
        took = await roll_out(client, seen, replicas)
        print(f"{title}: all Ready after {took:.1f} s; cores: {told(processors.used(), took)}")
        noise.sample()
        if replicas is list(groups.values())[-1]:
            await at_rest(client, processors)
        took = await remove(client, seen, replicas)
        print(f"  gone after {took:.1f} s")
        noise.sample()
    for each in following:
        each.cancel()
    await client.close()
    print(noise)


async def at_rest(client: Client, processors: Processors) -> None:
    """A minute in which nothing is to be done."""
    await asyncio.sleep(SETTLE_SECONDS)
    processors.used()
    before = await writes(client)
    await asyncio.sleep(REST_SECONDS)
    after = await writes(client)
    used = processors.used()
    managers = sum(value for name, value in used.items() if name.startswith("controller-manager"))
    print(f"  at rest the controller manager uses {managers / REST_SECONDS:.1%} of a core")
    print(f"  writes of all components in {REST_SECONDS:.0f} s: {dict(after - before)}")


def _together() -> dict[str, int]:
    return {f"small-{number}": TOGETHER_REPLICAS for number in range(TOGETHER)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--nodes", type=int, default=100)
    parser.add_argument("--replicas", default="100,500,1000")
    parser.add_argument("--port-base", type=int, default=14000)
    options = parser.parse_args()
    with fleet(options.nodes, options.port_base) as data_dir:
        asyncio.run(measure(data_dir, [int(each) for each in options.replicas.split(",")]))


if __name__ == "__main__":
    main()
