"""Ten thousand Services, from an API server to their addresses and names."""

from __future__ import annotations

import asyncio
import random
import resource
from collections.abc import AsyncIterator, Iterator
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest
from dnslib import DNSRecord
from prometheus_client import CollectorRegistry

from kube.base.tasks import Tasks
from kube.client.informer import InformerFactory
from proxy.backends.userspace import Userspace
from proxy.dns.message import Writer
from proxy.dns.names import ClusterNames
from proxy.dns.resolver import Resolver
from proxy.dns.upstream import Upstream
from proxy.dns.zone import Zone
from proxy.endpoints import Backend
from proxy.metrics import Metrics
from proxy.proxy import Proxy
from proxy.rules import Listener
from proxy.table import Changes, Table
from tests.proxy.test_userspace import ask, pod, says
from tests.support.api_server import Api, serving
from tests.support.in_process import client_of
from tests.support.namespace import Namespace
from tests.support.wait import until_async

COUNT, AT_ONCE = 10_000, 8
SERVER = "127.96.0.10"
SERVICES = "/api/v1/namespaces/default/services"
SLICES = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"


@pytest.fixture
def inside(tmp_path: Path) -> Iterator[None]:
    """In a network namespace: the addresses are those of the machine's first cluster."""
    namespace = Namespace(tmp_path)
    namespace.open()
    with namespace.entered():
        yield
    namespace.close()


@pytest.fixture
async def api(inside: None) -> AsyncIterator[Api]:
    async with serving() as started:
        yield started


@pytest.fixture
def descriptors() -> Iterator[None]:
    """As many as the system grants, as the proxy's main takes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def make(api: Api, backend: Backend) -> dict[str, str]:
    """The Services, with a slice each; their addresses by name."""
    found: dict[str, str] = {}
    names = iter(f"s-{number}" for number in range(COUNT))

    async def maker() -> None:
        for name in names:
            spec = {"ports": [{"port": 8080}]}
            made = await api.ok("POST", SERVICES, {"metadata": {"name": name}, "spec": spec})
            found[name] = made["spec"]["clusterIP"]
            await api.ok("POST", SLICES, endpoint_slice(name, backend))

    await asyncio.gather(*(maker() for _ in range(AT_ONCE)))
    return found


def endpoint_slice(name: str, backend: Backend) -> Any:
    return {
        "metadata": {"name": name, "labels": {"kubernetes.io/service-name": name}},
        "addressType": "IPv4",
        "ports": [{"name": "", "port": backend.port}],
        "endpoints": [{"addresses": [backend.address]}],
    }


async def resolve(resolver: Resolver, name: str) -> list[str]:
    query = bytes(DNSRecord.question(f"{name}.default.svc.cluster.local").pack())
    answer = resolver.answer(query, is_udp=True)
    assert isinstance(answer, bytes)
    return [str(each.rdata) for each in DNSRecord.parse(answer).rr]


async def test_all_of_them_answer_and_a_change_is_one_of_them(api: Api, descriptors: None) -> None:
    chance, metrics = random.Random(1), Metrics(CollectorRegistry())
    table, zone = Table(), Zone("cluster.local", SERVER)
    backend = Userspace(metrics, chance, lambda client: "")
    resolver = Resolver(zone, Writer(zone.domain, 5), Upstream(list, chance), metrics.dns_answers)
    client = client_of(api, "kube-proxy")
    informers = InformerFactory(client, random=chance)
    proxy = Proxy(informers, table, backend, [IPv4Network("127.0.0.0/8")], metrics)
    names = ClusterNames(informers, zone, resolver, SERVER)
    async with pod(says("a")) as a, pod(says("b")) as b:
        addresses = await make(api, a)
        async with Tasks() as tasks:
            informers.start(tasks)
            tasks.start("rules", proxy.run)
            tasks.start("names", names.run)
            await until_async("all is known", lambda: not (proxy.unready() or names.unready()))
            for name, address in addresses.items():
                assert await ask(Listener(address, 8080)) == "a", name
                assert await resolve(resolver, name) == [address]

            told: list[Changes] = []
            apply = backend.apply

            async def noted(changes: Changes) -> None:
                told.append(changes)
                await apply(changes)

            backend.apply = noted  # type: ignore[method-assign]
            name = f"s-{COUNT // 2}"
            change = {"ports": [{"name": "", "port": b.port}]}
            await api.ok("PATCH", f"{SLICES}/{name}", change, "application/merge-patch+json")
            await until_async("the change is told of", lambda: told)
            assert await ask(Listener(addresses[name], 8080)) == "b"
            assert [len(changes) for changes in told] == [1]
            await api.ok("DELETE", f"{SERVICES}/{name}")
            await until_async("its end is told of", lambda: len(told) > 1)
            assert list(told[1].values()) == [None]
            assert await resolve(resolver, name) == []
            await tasks.cancel()
        backend.close()
    await client.close()
