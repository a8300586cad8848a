"""What does a client in a tight loop leave for a node, by how many requests the server handles at once?

    .venv/bin/python -P benchmarks/fairness.py [clients [seats ...]]

One user holds many connections and asks again as soon as he has his answer, whatever it is: half of them
list 500 ConfigMaps, half write one. Meanwhile a node renews its Lease again and again. 0 seats: without
priority and fairness.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import ssl
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import aiohttp
import orjson
import uvloop

from benchmarks.apiserver import percentiles, ready
from benchmarks.noise import Noise, cpu_seconds, resident_mb
from benchmarks.stores import folder_for
from tests.support.api_process import ApiProcess
from tests.support.certificates import Authority, make_authority
from tests.support.store_cluster import StoreCluster, free_ports

SECONDS = 8.0
CONFIG_MAPS = 500
CLIENTS = 200
SEATS = (0, 600, 120, 60, 30)
PATH = "/api/v1/namespaces/default/configmaps"
LEASE = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"


class Client(asyncio.Protocol):
    """A connection of the user in the tight loop; it knows no more of HTTP than it needs."""

    def __init__(self, number: int, counts: Counter[int]) -> None:
        self._counts, self._rest, self._missing = counts, b"", 0
        body = b'{"metadata":{"labels":{"n":"%d"}}}' % time.monotonic_ns()
        self._request = b"GET %s?limit=500 HTTP/1.1\r\nHost: a\r\n\r\n" % PATH.encode()
        if number % 2:
            self._request = (
                b"PATCH %s/c%d HTTP/1.1\r\nHost: a\r\nContent-Type: application/merge-patch+json\r\n"
                b"Content-Length: %d\r\n\r\n%s"
            ) % (PATH.encode(), number % CONFIG_MAPS, len(body), body)

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        if self._missing:
            self._missing -= len(data)
        else:
            self._rest += data
            head, found, body = self._rest.partition(b"\r\n\r\n")
            if not found:
                return
            length = head.lower().split(b"content-length:", 1)[1].split(b"\r\n", 1)[0]
            self._missing, self._rest = int(length) - len(body), b""
            self._counts[int(head[9:12])] += 1
        if not self._missing:
            self._transport.write(self._request)


Credential = tuple[str, str, str]


def flood(port: int, credential: Credential, clients: int, result: Any) -> None:
    """In a process of its own: so many connections, until the time is over."""
    uvloop.run(_flood(port, credential, clients, result))


async def _flood(port: int, credential: Credential, clients: int, result: Any) -> None:
    context, counts = context_for(credential), Counter[int]()
    loop = asyncio.get_running_loop()
    for number in range(clients):
        await loop.create_connection(lambda at=number: Client(at, counts), "127.0.0.1", port, ssl=context)  # type: ignore[misc]
    counts.clear()
    await asyncio.sleep(SECONDS)
    result.send(dict(counts))


def context_for(credential: Credential) -> ssl.SSLContext:
    """credential: the files of the authority's certificate, of one's own, and of its key."""
    ca, cert, key = credential
    context = ssl.create_default_context(cafile=ca)
    context.load_cert_chain(cert, key)
    return context


@asynccontextmanager
async def session(server: ApiProcess, context: ssl.SSLContext) -> AsyncIterator[aiohttp.ClientSession]:
    connector = aiohttp.TCPConnector(ssl=context, limit=0)
    headers = {"Content-Type": "application/json"}
    async with aiohttp.ClientSession(server.url, connector=connector, headers=headers) as found:
        yield found


async def prepare(admin: aiohttp.ClientSession) -> None:
    binding = {
        "metadata": {"name": "developers"},
        "subjects": [{"kind": "Group", "apiGroup": "rbac.authorization.k8s.io", "name": "developers"}],
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
    }
    await post(admin, "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", binding)
    for number in range(CONFIG_MAPS):
        await post(admin, PATH, {"metadata": {"name": f"c{number}"}, "data": {"text": "x" * 500}})
    lease = {"metadata": {"name": "n1", "namespace": "kube-node-lease"}, "spec": {"leaseDurationSeconds": 40}}
    await post(admin, LEASE, lease)


async def post(client: aiohttp.ClientSession, path: str, o: Any) -> None:
    async with client.post(path, data=orjson.dumps(o)) as answer:
        assert answer.status == 201, await answer.text()


async def renew(node: aiohttp.ClientSession) -> list[float]:
    """A Lease, again and again; how long each renewal took, in milliseconds."""
    times: list[float] = []
    body, headers = (
        orjson.dumps({"spec": {"leaseTransitions": 1}}),
        {"Content-Type": "application/merge-patch+json"},
    )
    end = time.perf_counter() + SECONDS - 1.0
    number = 0
    while time.perf_counter() < end:
        number += 1
        body = orjson.dumps({"spec": {"leaseTransitions": number}})
        begin = time.perf_counter()
        async with node.patch(f"{LEASE}/n1", data=body, headers=headers) as answer:
            assert answer.status == 200, await answer.text()
        times.append((time.perf_counter() - begin) * 1000)
        await asyncio.sleep(0.02)
    return times


async def measure(folder: Path, clients: int, seats: int) -> None:
    authority = make_authority(folder_for(folder, "api"))
    flags = ["--enable-priority-and-fairness=false"]
    if seats:
        flags = [f"--max-requests-inflight={seats}", "--max-mutating-requests-inflight=0"]
    with StoreCluster(folder_for(folder, "store")) as store:
        store.start()
        await asyncio.to_thread(store.wait_until_started)
        port = free_ports(1)[0]
        server = ApiProcess(folder, store, authority, port, *flags)
        try:
            async with (
                session(
                    server, context_for((authority.ca, *authority.pair("admin", "system:masters")))
                ) as admin,
                session(
                    server, context_for((authority.ca, *authority.pair("system:node:n1", "system:nodes")))
                ) as node,
            ):
                await ready(server, admin)
                await prepare(admin)
                alone = await renew(node) if seats == SEATS[0] else []
                if alone:
                    print(f"alone: a renewal {percentiles(alone)}")
                said = await beside(server, authority, port, clients, node)
                print(f"{seats or 'no'} seats, {clients} clients: {said}", flush=True)
        finally:
            server.process.kill()
            server.process.wait()


async def beside(
    server: ApiProcess, authority: Authority, port: int, clients: int, node: aiohttp.ClientSession
) -> str:
    ours, theirs = multiprocessing.Pipe()
    credential = (authority.ca, *authority.pair("alice", "developers"))
    process = multiprocessing.get_context("spawn").Process(
        target=flood, args=(port, credential, clients, theirs)
    )
    process.start()
    await asyncio.sleep(1.5)
    used = cpu_seconds(server.process.pid)
    begin = time.perf_counter()
    times = await renew(node)
    share = (cpu_seconds(server.process.pid) - used) / (time.perf_counter() - begin)
    counts = await asyncio.to_thread(ours.recv)
    process.join()
    answers = ", ".join(f"{count / SECONDS:.0f} x {code}" for code, count in sorted(counts.items()))
    costs = f"{share:.0%} of a core, {resident_mb(server.process.pid):.0f} MB"
    return f"a renewal {percentiles(times)}; the flood a second {answers}; {costs}"


async def run(clients: int, all_seats: tuple[int, ...]) -> None:
    noise = Noise()
    for seats in all_seats:
        with tempfile.TemporaryDirectory() as folder:
            await measure(Path(folder), clients, seats)
        noise.sample()
    print(noise)


if __name__ == "__main__":
    numbers = [int(each) for each in sys.argv[1:]]
    uvloop.run(run(numbers[0] if numbers else CLIENTS, tuple(numbers[1:]) or SEATS))
