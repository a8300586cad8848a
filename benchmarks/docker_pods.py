"""How long does a pod of one container take on a Docker node, beside `docker run` of the same two containers?

    .venv/bin/python -P benchmarks/docker_pods.py [--runs N]

It needs root, and the engine that tests/run fetches.

A pod is timed from its creation through the API until a watch tells that it is Running: with the scheduler,
the kubelet and both their writes. Docker is timed over two `docker run --detach` by its own command line: the
container that holds the network, and the one that joins it. Both in turn, on one engine that does nothing
else; two runs more come first and are not counted.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.noise import Noise, spread
from kube.api.resources import PODS
from kube.client.config import ClientConfig
from kube.client.rest import Client
from kubelet.runtime.docker import pause
from tests.support.cluster import Cluster
from tests.support.engine import IMAGE, Engine, running
from tests.support.wait import until

WARM_UP = 2
# So long a watch may take to begin.
WATCHING_SECONDS = 0.1
COMMAND = ["sleep", "1000"]


def docker_run(engine: Engine, number: int) -> float:
    """Both containers by hand; removed afterwards."""
    place = f"place-{number}"
    joined = ("--network", f"container:{place}", "--ipc", f"container:{place}")
    begin = time.perf_counter()
    engine.docker("run", "--detach", "--name", place, "--ipc", "shareable", pause.NAME)
    engine.docker("run", "--detach", "--name", f"main-{number}", *joined, IMAGE, *COMMAND)
    took = time.perf_counter() - begin
    engine.docker("rm", "--force", place, f"main-{number}")
    return took


async def pod(client: Client, engine: Engine, number: int) -> float:
    """One pod until it is Running; deleted afterwards."""
    name = f"pod-{number}"
    container = {"name": "main", "image": IMAGE, "command": COMMAND}
    spec = {"containers": [container], "terminationGracePeriodSeconds": 0}
    listed = await client.list(PODS, "default")
    running = asyncio.ensure_future(is_running(client, listed["metadata"]["resourceVersion"]))
    await asyncio.sleep(WATCHING_SECONDS)
    begin = time.perf_counter()
    await client.create(PODS, {"metadata": {"name": name, "namespace": "default"}, "spec": spec})
    took = await running - begin
    await client.delete(PODS, "default", name)
    until("nothing is left of the pod", lambda: not engine.docker("ps", "--all", "--quiet"))
    return took


async def is_running(client: Client, version: str) -> float:
    """When a watch has told that a pod is Running."""
    async for event in client.watch(PODS, "default", resource_version=version):
        if event.object.get("status", {}).get("phase") == "Running":
            return time.perf_counter()
    raise AssertionError("the watch ended")


async def measure(cluster: Cluster, engine: Engine, runs: int) -> None:
    client = Client(ClientConfig.load(str(cluster.layout.admin_kubeconfig)), user_agent="benchmark")
    noise, pods, by_hand = Noise(), [], []
    for number in range(runs + WARM_UP):
        pods.append(await pod(client, engine, number) * 1000)
        by_hand.append(docker_run(engine, number) * 1000)
        noise.sample()
    await client.close()
    pods, by_hand = pods[WARM_UP:], by_hand[WARM_UP:]
    print(f"a pod, created until Running:   {spread(pods, 'ms', 0)}")
    print(f"docker run, both containers:    {spread(by_hand, 'ms', 0)}")
    ratio = statistics.median(pods) / statistics.median(by_hand)
    print(f"ratio of the medians:           {ratio:.2f}")
    print(noise)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runs", type=int, default=20)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as name, running(Path(name)) as engine:
        topology = Path(name) / "topology.yaml"
        topology.write_text(engine.topology("docker1"))
        cluster = Cluster(Path(name), prefix=engine.namespace.prefix)
        cluster.launcher("up", "--port-base", str(cluster.port_base), "--topology", str(topology))
        try:
            with engine.namespace.entered():
                asyncio.run(measure(cluster, engine, runs))
        finally:
            cluster.down("--wipe")


if __name__ == "__main__":
    main()
