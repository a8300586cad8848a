"""The API servers over Debian's etcd: what they do there is what they do over our store."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from deploy.layout import local_url
from kube.base import tls
from tests.e2e.test_walk import MANIFEST, ready_pods
from tests.support.cluster import Cluster
from tests.support.wait import until, until_async

pytestmark = pytest.mark.e2e

TOPOLOGY = """
store:              etcd
etcd:               {count: 3}
apiserver:          {count: 2, flags: {etcd-compaction-interval: 1s, event-ttl: 3s}}
controller-manager: {count: 1}
scheduler:          {count: 1}
kubelet:            {nodes: [node1], flags: {container-runtime: fake}}
"""
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
EVENTS = "/api/v1/namespaces/default/events"
CREATED, CONFLICT, GONE = 201, 409, 410
WRITERS = 4


@pytest.fixture(scope="module")
def etcd_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One cluster for all tests of this file."""
    folder = tmp_path_factory.mktemp("any-etcd")
    topology = folder / "topology.yaml"
    topology.write_text(TOPOLOGY)
    cluster = Cluster(folder)
    cluster.launcher("up", "--port-base", str(cluster.port_base), "--topology", str(topology))
    try:
        yield cluster
    finally:
        cluster.down()
    assert cluster.leftovers() == []


@pytest.fixture
async def servers(etcd_cluster: Cluster) -> AsyncIterator[list[httpx.AsyncClient]]:
    """The administrator's client of each API server."""
    layout = etcd_cluster.layout
    files = map(str, (layout.cert("ca"), layout.cert("admin"), layout.key("admin")))
    context = tls.client_context(*files)
    ports = (layout.apiserver_port(index) for index in range(2))
    clients = [
        httpx.AsyncClient(base_url=local_url(port), verify=context, trust_env=False, timeout=30.0)
        for port in ports
    ]
    yield clients
    for each in clients:
        await each.aclose()


def test_its_store_is_debians(etcd_cluster: Cluster) -> None:
    assert etcd_cluster.etcdctl("endpoint", "status").count(", 3.4.") == 3


def test_a_deployment_is_made_watched_scaled_and_deleted(etcd_cluster: Cluster, tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    with seen.open("w") as out:
        watch = ["kubectl", "get", "deployments", "--watch", "--output-watch-events", "--no-headers"]
        watching = subprocess.Popen(watch, env=etcd_cluster.env, stdout=out)
    try:
        etcd_cluster.kubectl("create", "-f", "-", stdin=MANIFEST)
        etcd_cluster.kubectl("scale", "deployment/nginx", "--replicas=3")
        ready_pods(etcd_cluster, "default", 3)
        until("the watcher sees all three", lambda: "3/3" in seen.read_text())
        etcd_cluster.kubectl("delete", "deployment/nginx")
        until("the watcher sees its end", lambda: "DELETED" in seen.read_text())
    finally:
        watching.terminate()
        watching.wait()
    until("its pods are gone", lambda: etcd_cluster.kubectl("get", "pods", "-o", "name") == "")


async def test_events_end_with_their_lease(servers: list[httpx.AsyncClient]) -> None:
    event = {"metadata": {"name": "short"}, "involvedObject": {"namespace": "default"}, "reason": "Test"}
    made = await servers[0].post(EVENTS, json=event)
    assert made.status_code == CREATED, made.text
    since = made.json()["metadata"]["resourceVersion"]
    options = {"watch": "true", "resourceVersion": since, "fieldSelector": "metadata.name=short"}
    async with servers[1].stream("GET", EVENTS, params=options) as watch:
        async for line in watch.aiter_lines():
            assert json.loads(line)["type"] == "DELETED"
            break
    assert (await servers[0].get(f"{EVENTS}/short")).status_code == 404


async def test_one_server_at_a_time_compacts(etcd_cluster: Cluster, servers: list[httpx.AsyncClient]) -> None:
    before = guard(etcd_cluster)
    written = await servers[0].post(CONFIG_MAPS, json={"metadata": {"name": "kept"}})
    old = written.json()["metadata"]["resourceVersion"]
    for number in range(3):
        changed = await servers[0].put(
            f"{CONFIG_MAPS}/kept",
            json={**written.json(), "data": {"n": str(number)}} | no_version(written.json()),
        )
        assert changed.status_code == 200, changed.text

    async def is_forgotten() -> bool:
        return etcd_cluster.run("etcdctl", "get", "x", f"--rev={old}", check=False).returncode != 0

    await until_async("the old revision is forgotten", is_forgotten)
    after = guard(etcd_cluster)
    lines = sum(
        etcd_cluster.layout.log(f"apiserver-{index}").read_text().count('msg="store compacted"')
        for index in range(2)
    )
    assert after["version"] > before["version"]
    # Each round has one winner; the very first has nothing to forget yet.
    assert lines <= guard(etcd_cluster)["version"]
    kept = await servers[1].get(f"{CONFIG_MAPS}/kept")
    assert kept.json()["data"] == {"n": "2"}
    listed = await servers[1].get(
        CONFIG_MAPS, params={"resourceVersion": old, "resourceVersionMatch": "Exact"}
    )
    assert listed.status_code in (200, GONE), listed.text
    if listed.status_code == 200:
        [then] = [each for each in listed.json()["items"] if each["metadata"]["name"] == "kept"]
        assert "data" not in then


async def test_nobody_is_lied_to_while_the_leader_dies(
    etcd_cluster: Cluster, servers: list[httpx.AsyncClient]
) -> None:
    """A write is acknowledged and there, for the other server at once, or whoever asked was told to look."""
    stop = asyncio.Event()
    acknowledged: set[str] = set()
    refused: list[str] = []

    async def write(number: int) -> None:
        mine, other = servers[number % 2], servers[(number + 1) % 2]
        count = 0
        while not stop.is_set():
            count += 1
            name = f"writer-{number}-{count}"
            answer = await mine.post(CONFIG_MAPS, json={"metadata": {"name": name}})
            if answer.status_code != CREATED:
                refused.append(f"{answer.status_code} {answer.json()['reason']}")
                continue
            acknowledged.add(name)
            seen = await other.get(f"{CONFIG_MAPS}/{name}")
            assert seen.status_code in (200, 503, 504), f"{name} was acknowledged: {seen.text}"

    async with asyncio.TaskGroup() as group:
        for number in range(WRITERS):
            group.create_task(write(number))
        await until_async("some are written", lambda: len(acknowledged) > 50)
        leader = await asyncio.to_thread(etcd_cluster.leader)
        old, count = etcd_cluster.kill(leader), len(acknowledged)
        await until_async("writes resume", lambda: len(acknowledged) > count + 50)
        await until_async("it is back", lambda: etcd_cluster.running().get(leader, old) != old)
        stop.set()
    there = {each["metadata"]["name"] for each in (await servers[0].get(CONFIG_MAPS)).json()["items"]}
    keys = etcd_cluster.etcdctl("get", "--prefix", "--keys-only", "/registry/configmaps/default/").split()
    assert acknowledged <= there
    assert there == {key.rsplit("/", 1)[1] for key in keys}
    retryable = {"503 ServiceUnavailable", "504 Timeout"}
    assert set(refused) <= retryable, refused
    print(f"{len(acknowledged)} writes acknowledged, {len(refused)} not: {sorted(set(refused))}")


def no_version(o: Any) -> dict[str, Any]:
    """Its metadata, to be written whatever version stands there."""
    return {"metadata": {"name": o["metadata"]["name"]}}


def guard(cluster: Cluster) -> dict[str, int]:
    """The key by which the servers agree who compacts."""
    [found] = json.loads(cluster.etcdctl("get", "compact_rev_key", "-w", "json"))["kvs"]
    return {"version": found["version"], "revision": found["mod_revision"]}
