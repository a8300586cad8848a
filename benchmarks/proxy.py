"""What does the proxy carry, how soon does it know of a change, and how many names does it answer?

    .venv/bin/python -P benchmarks/proxy.py [throughput] [connections] [changes] [services] [dns]

A cluster as `deploy/up --topology deploy/topology-small.yaml` starts it; the Services lead to servers of this
script, by EndpointSlices written by hand, so what is measured is the proxy alone. `connections` come at a
steady pace, straight to the server and through the proxy in turn.
"""

from __future__ import annotations

import asyncio
import itertools
import multiprocessing
import os
import random
import signal
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import uvloop
from dnslib import DNSRecord

from benchmarks.noise import Noise, cpu_seconds, spread
from deploy.identity import memory_bytes
from deploy.layout import dns_ip
from kube.api.meta import Object
from kube.api.resources import ENDPOINT_SLICES, NAMESPACES, SERVICES
from kube.client.config import ClientConfig
from kube.client.rest import Client
from tests.support.cluster import Cluster

ROUNDS = 5
CHUNK = 1 << 20
STREAM_SECONDS = 4.0
PER_SECOND, PACED_SECONDS = 3000, 5.0
FEW, MANY = 1_000, 10_000
CHANGES = 30
# Who asks without pause takes a core from those whom it waits for.
POLL_SECONDS = 0.001
DNS_SECONDS, IN_FLIGHT = 5.0, 64
CHANGE_SECONDS = 0.1
NAMESPACE = "bench"
TOPOLOGY = Path(__file__).resolve().parent.parent / "deploy" / "topology-small.yaml"

Address = tuple[str, int]


# Servers, each a process.
def serve_stream(listener: socket.socket) -> None:
    """To everybody zeros without end."""
    data = bytes(CHUNK)
    while True:
        client, _ = listener.accept()
        try:
            while True:
                client.sendall(data)
        except OSError:
            client.close()


class Letter(asyncio.Protocol):
    """To who says something, one letter."""

    def __init__(self, letter: bytes) -> None:
        self._letter = letter

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, _: bytes) -> None:
        self._transport.write(self._letter)
        self._transport.close()


def serve_letter(listener: socket.socket, letter: bytes) -> None:
    uvloop.run(_serve_letter(listener, letter))


async def _serve_letter(listener: socket.socket, letter: bytes) -> None:
    loop = asyncio.get_running_loop()
    running = await loop.create_server(lambda: Letter(letter), sock=listener, backlog=4096)
    await running.serve_forever()


@contextmanager
def server(serve: Callable[..., None], *arguments: Any) -> Iterator[Address]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(4096)
        process = multiprocessing.Process(target=serve, args=(listener, *arguments), daemon=True)
        process.start()
        try:
            yield listener.getsockname()
        finally:
            process.kill()
            process.join()


# Objects.
def service(name: str, port: int = 80) -> Object:
    return {"metadata": {"name": name}, "spec": {"ports": [{"port": port}]}}


def endpoints(name: str, address: Address) -> Object:
    return {
        "metadata": {"name": name, "labels": {"kubernetes.io/service-name": name}},
        "addressType": "IPv4",
        "ports": [{"name": "", "port": address[1]}],
        "endpoints": [{"addresses": [address[0]]}],
    }


async def make(client: Client, names: Sequence[str], address: Address, port: int = 80) -> dict[str, str]:
    """Services with an endpoint each; their addresses."""
    found: dict[str, str] = {}
    left = iter(names)

    async def maker() -> None:
        for name in left:
            made = await client.create(SERVICES, service(name, port), NAMESPACE)
            found[name] = made["spec"]["clusterIP"]
            await client.create(ENDPOINT_SLICES, endpoints(name, address), NAMESPACE)

    await asyncio.gather(*(maker() for _ in range(16)))
    return found


def answer_of(address: Address) -> bytes:
    """What the server says; nothing where there is none."""
    try:
        with socket.create_connection(address) as client:
            client.send(b"?")
            return client.recv(1)
    except OSError:
        return b""


def wait_for(answer: bytes, address: Address) -> float:
    """Seconds until that is the answer."""
    began = time.perf_counter()
    while answer_of(address) != answer:
        time.sleep(POLL_SECONDS)
        assert time.perf_counter() - began < 60, f"{address} does not answer"
    return time.perf_counter() - began


# One connection.
def gigabits(address: Address) -> float:
    """What one client gets a second, of one stream."""
    buffer, got = bytearray(CHUNK), 0
    with socket.create_connection(address) as client:
        began = time.perf_counter()
        while time.perf_counter() - began < STREAM_SECONDS:
            got += client.recv_into(buffer)
        return got * 8 / (time.perf_counter() - began) / 1e9


async def throughput(client: Client, cluster: Cluster, noise: Noise) -> None:
    with server(serve_stream) as straight:
        (ip,) = (await make(client, ["stream"], straight)).values()
        wait_for(b"\0", (ip, 80))
        direct, through = [], []
        for _ in range(ROUNDS):
            noise.sample()
            direct.append(await asyncio.to_thread(gigabits, straight))
            through.append(await asyncio.to_thread(gigabits, (ip, 80)))
    print(f"one connection: {spread(through, 'Gbit/s', 1)}; straight: {spread(direct, 'Gbit/s', 1)}")


# New connections.
class Asking(asyncio.Protocol):
    """A client that wants one letter."""

    def __init__(self, done: asyncio.Future[None]) -> None:
        self._done = done

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        transport.write(b"?")

    def data_received(self, _: bytes) -> None:
        if not self._done.done():
            self._done.set_result(None)
        self._transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        if not self._done.done():
            self._done.set_exception(error or ConnectionResetError())


async def _paced(address: Address) -> list[float]:
    """How long each client waited, in seconds from the moment at which it was to come."""
    loop, waits = asyncio.get_running_loop(), []

    async def one(due: float) -> None:
        done = loop.create_future()
        await loop.create_connection(lambda: Asking(done), *address)
        await done
        waits.append(time.perf_counter() - due)

    # The loop's own clock counts whole milliseconds.
    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for number in range(int(PER_SECOND * PACED_SECONDS)):
            due = began + number / PER_SECOND
            if (early := due - time.perf_counter()) > 0:
                await asyncio.sleep(early)
            group.create_task(one(due))
    return waits


def paced(address: Address, result: Any) -> None:
    result.send(uvloop.run(_paced(address)))


async def in_a_process(act: Callable[..., None], *arguments: Any) -> Any:
    """What it says at its end."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.Process(target=act, args=(*arguments, theirs))
    process.start()
    theirs.close()
    try:
        return await asyncio.to_thread(ours.recv)
    finally:
        process.join()


def percentile(values: Sequence[float], part: float) -> float:
    return sorted(values)[int(len(values) * part)]


async def connections(client: Client, cluster: Cluster, noise: Noise) -> None:
    proxy = cluster.pid("proxy-0")
    with server(serve_letter, b"a") as straight:
        (ip,) = (await make(client, ["letter"], straight)).values()
        wait_for(b"a", (ip, 80))
        rates: list[float] = []
        waits: dict[str, list[list[float]]] = {"straight": [], "through the proxy": []}
        for _ in range(ROUNDS):
            noise.sample()
            waits["straight"].append(await in_a_process(paced, straight))
            before = cpu_seconds(proxy)
            waits["through the proxy"].append(await in_a_process(paced, (ip, 80)))
            rates.append(len(waits["through the proxy"][-1]) / (cpu_seconds(proxy) - before))
    print(f"new connections, {PER_SECOND} a second: {spread(rates, 'a second and core', 0)}")
    for way, rounds in waits.items():
        p50, p99 = ([percentile(each, part) * 1000 for each in rounds] for part in (0.5, 0.99))
        print(f"... {way}: p50 {spread(p50, 'ms', 1)}, p99 {spread(p99, 'ms', 1)}")


# Changes.
async def changes(client: Client, cluster: Cluster, noise: Noise) -> None:
    with server(serve_letter, b"a") as one, server(serve_letter, b"b") as other:
        names = [f"few-{number}" for number in range(FEW)]
        addresses = await make(client, names, one)
        for name in (names[0], names[-1]):
            wait_for(b"a", (addresses[name], 80))
        waits = []
        for number in range(CHANGES):
            noise.sample()
            name = names[number * (FEW // CHANGES)]
            slice_ = await client.get(ENDPOINT_SLICES, NAMESPACE, name)
            slice_["ports"][0]["port"] = other[1]
            await client.update(ENDPOINT_SLICES, slice_)
            waits.append(await asyncio.to_thread(wait_for, b"b", (addresses[name], 80)) * 1000)
    print(f"a change of endpoints is live, at {FEW} Services: {spread(waits, 'ms', 1)} after its answer")


# Many Services.
async def services(client: Client, cluster: Cluster, noise: Noise) -> None:
    with server(serve_letter, b"a") as one:
        began = time.perf_counter()
        addresses = await make(client, [f"many-{number}" for number in range(MANY)], one, port=8080)
        print(f"{MANY} Services with an endpoint each were made in {time.perf_counter() - began:.0f} s")
        everywhere = sorted((address, 8080) for address in addresses.values())
        await asyncio.to_thread(wait_for_all, everywhere)
        print(f"... the proxy has {megabytes(cluster.pid('proxy-0')):.0f} MB (PSS)")
        seconds, processor, memory = [], [], []
        for _ in range(ROUNDS):
            noise.sample()
            await asyncio.to_thread(restart, cluster)
            # The proxy opens them in order.
            seconds.append(await asyncio.to_thread(wait_for, b"a", everywhere[-1]))
            processor.append(cpu_seconds(cluster.pid("proxy-0")))
            await asyncio.to_thread(wait_for_all, everywhere)
            memory.append(megabytes(cluster.pid("proxy-0")))
        print(f"... another one answers at the last of them {spread(seconds, 's')} after its start", end="")
        print(f", of processor {spread(processor, 's')}; it has {spread(memory, 'MB (PSS)', 0)}")


def megabytes(pid: int) -> float:
    return (memory_bytes(pid) or 0) / 1e6


def restart(cluster: Cluster) -> None:
    """kill -9, and until another one has been started."""
    before = cluster.kill("proxy-0", signal.SIGKILL)
    while cluster.running().get("proxy-0", before) == before:
        time.sleep(0.02)


def wait_for_all(addresses: Sequence[Address]) -> None:
    for each in addresses:
        wait_for(b"a", each)


# Names.
class Resolving(asyncio.DatagramProtocol):
    """Asks the next name whenever an answer has come."""

    def __init__(self, names: Sequence[str], chance: random.Random) -> None:
        self._queries = [bytes(DNSRecord.question(name).pack())[2:] for name in names]
        self._chance, self.answers = chance, 0

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        for _ in range(IN_FLIGHT):
            self._ask()

    def datagram_received(self, data: bytes, _: Any) -> None:
        assert data[6:8] != b"\0\0", "a name without an address"
        self.answers += 1
        self._ask()

    def _ask(self) -> None:
        self._transport.sendto(os.urandom(2) + self._chance.choice(self._queries))


async def _resolve(address: str, names: Sequence[str]) -> int:
    loop = asyncio.get_running_loop()
    transport, client = await loop.create_datagram_endpoint(
        lambda: Resolving(names, random.Random(1)), remote_addr=(address, 53)
    )
    await asyncio.sleep(DNS_SECONDS)
    transport.close()
    return client.answers


def resolve(address: str, names: Sequence[str], result: Any) -> None:
    result.send(uvloop.run(_resolve(address, names)))


async def dns(client: Client, cluster: Cluster, noise: Noise) -> None:
    names = [f"name-{number}" for number in range(FEW)]
    await make(client, names, ("127.0.0.1", 9))
    await names_asked(cluster, names, noise, "at rest")
    changing = asyncio.create_task(change_without_end(client, names))
    await names_asked(cluster, names, noise, f"with {1 / CHANGE_SECONDS:.0f} changes of endpoints a second")
    changing.cancel()


async def change_without_end(client: Client, names: Sequence[str]) -> None:
    for name in itertools.cycle(names):
        await asyncio.sleep(CHANGE_SECONDS)
        slice_ = await client.get(ENDPOINT_SLICES, NAMESPACE, name)
        slice_["ports"][0]["port"] ^= 1
        await client.update(ENDPOINT_SLICES, slice_)


async def names_asked(cluster: Cluster, names: Sequence[str], noise: Noise, when: str) -> None:
    address, proxy = dns_ip(cluster.layout.service_cidr), cluster.pid("proxy-0")
    full = [f"{name}.{NAMESPACE}.svc.cluster.local" for name in names]
    seconds, per_core = [], []
    for _ in range(ROUNDS):
        noise.sample()
        before = cpu_seconds(proxy)
        answers = await in_a_process(resolve, address, full)
        seconds.append(answers / DNS_SECONDS)
        per_core.append(answers / (cpu_seconds(proxy) - before))
    print(f"names, of {FEW} Services, {when}: {spread(per_core, 'answers a second and core', 0)}", end="")
    print(f"; {statistics.median(seconds):.0f} a second with {IN_FLIGHT} under way")


QUESTIONS = {each.__name__: each for each in (throughput, connections, changes, services, dns)}


async def measure(cluster: Cluster, wanted: list[str], noise: Noise) -> None:
    client = Client(ClientConfig.load(cluster.layout.admin_kubeconfig), "benchmark")
    await client.create(NAMESPACES, {"metadata": {"name": NAMESPACE}})
    try:
        for name in wanted:
            await QUESTIONS[name](client, cluster, noise)
    finally:
        await client.close()


def main() -> None:
    wanted = sys.argv[1:] or list(QUESTIONS)
    if unknown := [name for name in wanted if name not in QUESTIONS]:
        sys.exit(f"{unknown[0]}: known are {', '.join(QUESTIONS)}")
    noise = Noise()
    with tempfile.TemporaryDirectory() as folder:
        cluster = Cluster(Path(folder))
        cluster.launcher("up", "--port-base", str(cluster.port_base), "--topology", str(TOPOLOGY))
        try:
            asyncio.run(measure(cluster, wanted, noise))
        finally:
            cluster.down("--wipe")
    print(noise)


if __name__ == "__main__":
    main()
