"""Everybody who lives in a cluster while it is broken: they start together, and end in good order.

    writer      ConfigMaps, through the API           history     the store's watch of everything
    rollouts    a Deployment, again and again         pictures    the API's watches; they judge the bounds
    answers     HTTP clients of its Service, at the cluster IP and at a node port

An actor that finds something wrong raises, which ends them all. `finish` lets everything come to rest and
compares what the watchers saw with what is there.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from deploy.processes import etcd_client_urls
from etcdlite.client import Client as StoreClient
from kube.api.resources import CONFIG_MAPS, DEPLOYMENTS, NAMESPACES, PODS, REPLICA_SETS, SERVICES
from kube.base.low_ports import bindable
from kube.client.config import ClientConfig
from kube.client.rest import Client
from tests.support.cluster import Cluster
from tests.support.faults import history
from tests.support.faults.history import History
from tests.support.faults.picture import Picture
from tests.support.faults.rollouts import DEPLOYMENT, LABELS, NAME, Bounds, Rollouts
from tests.support.faults.writer import Writer
from tests.support.load import OK, Answer, ask, ask_for_ever
from tests.support.wait import until_async

SERVICE = {
    "metadata": {"name": NAME},
    "spec": {"type": "NodePort", "selector": LABELS, "ports": [{"port": 80, "targetPort": 80}]},
}
LOAD_PAUSE_SECONDS = 0.02


class Actors:
    """One namespace full of them; made by `acting`."""

    def __init__(self, cluster: Cluster, namespace: str, closing: AsyncExitStack) -> None:
        self.cluster, self.namespace = cluster, namespace
        self.layout, self.topology = cluster.layout, cluster.topology
        self._closing = closing
        self._config = ClientConfig.load(self.layout.admin_kubeconfig)
        self.writer = Writer(self.client(), namespace)
        self.rollouts = Rollouts(self.client(), namespace)
        self.history = History(self.store_client(etcd_client_urls(self.topology, self.layout)))
        bounds = Bounds()
        self.pictures = [
            Picture(self.client(), PODS, namespace, bounds.pods),
            Picture(self.client(), REPLICA_SETS, namespace, bounds.sets),
            Picture(self.client(), CONFIG_MAPS, namespace),
        ]
        self.answers: dict[str, list[Answer]] = {"cluster IP": [], "node port": []}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def client(self) -> Client:
        """Another client of all API servers, closed at the end."""
        client = Client(self._config, "faults")
        self._closing.push_async_callback(client.close)
        return client

    def store_client(self, endpoints: list[str]) -> StoreClient:
        """A client of some of the store's members, closed at the end."""
        files = self.layout.cert("etcd-ca"), self.layout.cert("etcd-client"), self.layout.key("etcd-client")
        client = StoreClient(endpoints, *map(str, files))
        self._closing.push_async_callback(client.close)
        return client

    async def set_up(self) -> tuple[str, int]:
        """The Deployment with its Service; cluster IP and node port, once they answer."""
        client = self.client()
        await client.create(NAMESPACES, {"metadata": {"name": self.namespace}})
        await client.create(DEPLOYMENTS, DEPLOYMENT, self.namespace)
        spec = (await client.create(SERVICES, SERVICE, self.namespace))["spec"]
        address, node_port = spec["clusterIP"], spec["ports"][0]["nodePort"]

        async def answers() -> bool:
            found = await client.get(DEPLOYMENTS, self.namespace, NAME)
            available = found.get("status", {}).get("availableReplicas", 0)
            return available == found["spec"]["replicas"] and await ask(address, bindable(80)) == OK

        await until_async("the Service answers", answers)
        return address, node_port

    async def start(self, group: asyncio.TaskGroup, without: Collection[str]) -> None:
        address, node_port = await self.set_up()
        await self.history.begin()
        targets = {"cluster IP": (address, bindable(80)), "node port": (self.layout.node_ip(1), node_port)}
        acts: dict[str, Coroutine[Any, Any, None]] = {
            "history": self.history.run(),
            **{f"picture {at}": each.run() for at, each in enumerate(self.pictures)},
            "writer": self.writer.run(),
            "rollouts": self.rollouts.run(),
            **{
                name: ask_for_ever(*target, self.answers[name], LOAD_PAUSE_SECONDS)
                for name, target in targets.items()
            },
        }
        for name in without:
            acts.pop(name).close()
        self._tasks = {name: group.create_task(act, name=name) for name, act in acts.items()}

    async def finish(self) -> None:
        """End in good order; whoever watched must have seen what is there."""
        self.rollouts.finish()
        await self._tasks["rollouts"]
        await self.end("writer", *self.answers)
        for picture in self.pictures:
            await picture.check()
        await self.history.caught_up()
        await self.end()
        members = [self.store_client([url]) for url in etcd_client_urls(self.topology, self.layout)]
        count = await history.check(self.history, members)
        history.check_acknowledged(self.history, self.writer.acknowledged)
        print(
            f"{count} revisions compared, {len(self.writer.acknowledged)} writes acknowledged, "
            f"{self.writer.unsure} without an answer, {len(self.rollouts.completed_at)} rollouts, "
            f"{sum(map(len, self.answers.values()))} requests, "
            f"lists {[each.lists for each in self.pictures]}"
        )

    async def end(self, *names: str) -> None:
        """End these actors, or all."""
        tasks = [self._tasks[name] for name in names or self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def acting(cluster: Cluster, namespace: str, without: Collection[str] = ()) -> AsyncIterator[Actors]:
    """Actors in a new namespace of a running cluster, but for some."""
    async with AsyncExitStack() as closing, asyncio.TaskGroup() as group:
        actors = Actors(cluster, namespace, closing)
        await actors.start(group, without)
        yield actors
        await actors.end()
