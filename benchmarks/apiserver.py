"""What one API server does over three members: writes, reads, lists, watchers, its start and its memory.

    .venv/bin/python -P benchmarks/apiserver.py [creates|mixed|list|watchers|gate|start ...]

The pods are as a Deployment's are, about 2.5 KB when stored. No real API server can run here beside it, so
the figures stand alone: processor time a request is what to compare between machines' moods.
"""

from __future__ import annotations

import asyncio
import ssl
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import aiohttp
import orjson
import uvloop

from benchmarks.noise import Noise, cpu_seconds, cpu_seconds_of, resident_mb, spread
from benchmarks.stores import folder_for
from tests.support.api_process import ApiProcess
from tests.support.certificates import Authority, make_authority
from tests.support.store_cluster import StoreCluster, free_ports

WRITERS = 16
CREATE_COUNT = 4000
MIXED_SECONDS = 20.0
MIXED_RATE = 100
LIST_PODS = 5000
LIST_COUNT = 20
WATCHERS = 1000
WATCHED_WRITES = 100
WATCHED_RATE = 10
SETTLE_SECONDS = 2.0
GATE_ROUNDS = 5
GATE_REQUESTS = 1000
POLL_SECONDS = 0.01
PODS = "/api/v1/namespaces/default/pods"
JSON = {"Content-Type": "application/json", "User-Agent": "benchmark"}


def pod(name: str) -> bytes:
    """One replica as the ReplicaSet controller posts it."""
    labels = {"app": "web", "pod-template-hash": "5d5c9f8b6d", "tier": "frontend"}
    owner = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "name": "web-5d5c9f8b6d",
        "uid": "6f7d2f4e-7e3b-4a58-9b36-6d5c4a3b2f10",
        "controller": True,
        "blockOwnerDeletion": True,
    }
    container = {
        "name": "web",
        "image": "nginx:1.27",
        "ports": [{"name": "http", "containerPort": 80}],
        "env": [{"name": "MODE", "value": "production"}, {"name": "LOG_LEVEL", "value": "info"}],
        "resources": {
            "requests": {"cpu": "100m", "memory": "128Mi"},
            "limits": {"cpu": "500m", "memory": "256Mi"},
        },
        "readinessProbe": {"httpGet": {"path": "/healthz", "port": "http"}, "periodSeconds": 5},
        "livenessProbe": {"httpGet": {"path": "/healthz", "port": "http"}, "initialDelaySeconds": 10},
        "volumeMounts": [{"name": "config", "mountPath": "/etc/web"}],
    }
    return orjson.dumps(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "labels": labels, "ownerReferences": [owner]},
            "spec": {
                "containers": [container],
                "volumes": [{"name": "config", "configMap": {"name": "web-config"}}],
                "nodeSelector": {"kubernetes.io/os": "linux"},
            },
        }
    )


@dataclass
class Bench:
    """One API server over one store, and a client's connections to it."""

    server: ApiProcess
    store: StoreCluster
    context: ssl.SSLContext
    session: aiohttp.ClientSession
    folder: Path
    authority: Authority
    pods_made: int = 0
    times: list[float] = field(default_factory=list)

    async def call(self, method: str, path: str, body: bytes | None = None, **headers: str) -> bytes:
        begin = time.perf_counter()
        async with self.session.request(method, path, data=body, headers=JSON | headers) as answer:
            read = await answer.read()
            assert answer.status < 300, read.decode()
        self.times.append((time.perf_counter() - begin) * 1000)
        return read

    async def create_pods(self, count: int, prefix: str = "web") -> float:
        """So many more, by all writers; pods a second."""
        numbers = iter(range(self.pods_made, self.pods_made + count))
        self.pods_made += count

        async def work() -> None:
            for number in numbers:
                await self.call("POST", PODS, pod(f"{prefix}-{number:06}"))

        begin = time.perf_counter()
        await asyncio.gather(*(work() for _ in range(WRITERS)))
        return count / (time.perf_counter() - begin)

    @property
    def memory_mb(self) -> float:
        return resident_mb(self.server.process.pid)

    def used(self) -> tuple[float, float]:
        """Processor seconds: of the API server, of the store's members."""
        members = [self.store.pid(number) for number in range(self.store.size)]
        return cpu_seconds(self.server.process.pid), cpu_seconds_of(members)


def percentiles(times: list[float]) -> str:
    ordered = sorted(times)
    at = {share: ordered[min(len(ordered) - 1, len(ordered) * share // 100)] for share in (50, 99)}
    return f"p50 {at[50]:.1f} ms, p99 {at[99]:.1f} ms, most {ordered[-1]:.1f} ms"


async def creates(bench: Bench) -> None:
    """Pods by 16 clients at once."""
    await bench.create_pods(200)
    bench.times.clear()
    server, members = bench.used()
    rate = await bench.create_pods(CREATE_COUNT)
    server, members = (now - then for now, then in zip(bench.used(), (server, members), strict=True))
    print(
        f"{WRITERS} clients create {rate:.0f} pods/s, {percentiles(bench.times)}; processor a pod: "
        f"API server {server * 1000 / CREATE_COUNT:.2f} ms, members {members * 1000 / CREATE_COUNT:.2f} ms"
    )


async def mixed(bench: Bench) -> None:
    """Half of the goal: 100 creates a second and as many gets, each at its time whatever the others do."""
    await bench.create_pods(200)
    known = bench.pods_made
    times: dict[str, list[float]] = {"create": [], "get": []}

    async def at(due: float, what: str, number: int) -> None:
        await asyncio.sleep(due - time.perf_counter())
        begin = time.perf_counter()
        if what == "create":
            await bench.call("POST", PODS, pod(f"web-{number:06}"))
        else:
            await bench.call("GET", f"{PODS}/web-{number % known:06}")
        times[what].append((time.perf_counter() - begin) * 1000)

    begin, count = time.perf_counter() + 0.5, int(MIXED_SECONDS * MIXED_RATE)
    bench.pods_made += count
    await asyncio.gather(
        *(at(begin + n / MIXED_RATE, "create", known + n) for n in range(count)),
        *(at(begin + (n + 0.5) / MIXED_RATE, "get", n) for n in range(count)),
    )
    for what, each in times.items():
        print(f"{MIXED_RATE} creates and gets a second, {what}: {percentiles(each)}")


async def lists(bench: Bench) -> None:
    """5,000 pods, and what one costs in memory."""
    await bench.create_pods(200)
    await asyncio.sleep(SETTLE_SECONDS)
    before, had = bench.memory_mb, bench.pods_made
    await bench.create_pods(LIST_PODS - had)
    await asyncio.sleep(SETTLE_SECONDS)
    a_pod = (bench.memory_mb - before) * 1024 / (LIST_PODS - had)
    bench.times.clear()
    for _ in range(LIST_COUNT):
        body = await bench.call("GET", PODS)
    size_kb = len(body) / 1024 / LIST_PODS
    print(f"list of {LIST_PODS} pods of {size_kb:.1f} KB: {percentiles(bench.times)}; {a_pod:.1f} KB a pod")
    bench.times.clear()
    table = "application/json;as=Table;v=v1;g=meta.k8s.io"
    for _ in range(LIST_COUNT):
        await bench.call("GET", f"{PODS}?limit=500", Accept=table)
    print(f"... as a Table of 500, as kubectl asks: {percentiles(bench.times)}")


class Ages:
    """How old events were when they came, in milliseconds."""

    def __init__(self) -> None:
        self.all: list[float] = []
        self._wanted = 0
        self._reached = asyncio.Event()

    def add(self, age: float) -> None:
        self.all.append(age)
        if len(self.all) == self._wanted:
            self._reached.set()

    async def until(self, wanted: int) -> list[float]:
        """All of them, once there are so many; then it begins anew."""
        self._wanted = wanted
        if len(self.all) < wanted:
            await self._reached.wait()
        ages, self.all = self.all, []
        self._reached.clear()
        return ages


class Watcher(asyncio.Protocol):
    """A watch on a connection of its own."""

    def __init__(self, ages: Ages) -> None:
        self._ages = ages

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        path = "/api/v1/namespaces/default/configmaps?watch=1&fieldSelector=metadata.name%3Dclock"
        request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"
        cast("asyncio.Transport", transport).write(request.encode())

    def data_received(self, data: bytes) -> None:
        now = time.perf_counter()
        for part in data.split(b'"at":"')[1:]:
            self._ages.add((now - float(part[: part.index(b'"')])) * 1000)


async def watchers(bench: Bench) -> None:
    """A thousand connections see each of ten writes a second."""
    body = {"metadata": {"name": "clock"}, "data": {"at": str(time.perf_counter())}}
    await bench.call("POST", "/api/v1/namespaces/default/configmaps", orjson.dumps(body))
    ages = Ages()
    loop, port = asyncio.get_running_loop(), int(bench.server.url.rpartition(":")[2])
    before = bench.memory_mb
    for _ in range(WATCHERS // 50):
        await asyncio.gather(
            *(
                loop.create_connection(lambda: Watcher(ages), "127.0.0.1", port, ssl=bench.context)
                for _ in range(50)
            )
        )
    await ages.until(WATCHERS)
    more_kb = (bench.memory_mb - before) * 1024 / WATCHERS
    used, begin = bench.used()[0], time.perf_counter()
    for number in range(WATCHED_WRITES):
        await asyncio.sleep(begin + number / WATCHED_RATE - time.perf_counter())
        change = orjson.dumps({"data": {"at": str(time.perf_counter())}})
        path = "/api/v1/namespaces/default/configmaps/clock"
        await bench.call("PATCH", path, change, **{"Content-Type": "application/merge-patch+json"})
    seen = await ages.until(WATCHERS * WATCHED_WRITES)
    seconds = time.perf_counter() - begin
    share = (bench.used()[0] - used) * 100 / seconds
    print(
        f"{WATCHERS} watchers of {WATCHED_RATE} writes/s, from write to event: {percentiles(seen)}; "
        f"API server {share:.0f} % of a core, {more_kb:.0f} KB a watcher"
    )


async def gate(bench: Bench) -> None:
    """What authentication, authorization and admission take of a request: two servers over one store, one of
    which has none of it, asked in turn.
    """
    port = free_ports(1)[0]
    bare = ApiProcess(bench.folder, bench.store, bench.authority, port, program=("benchmarks/gateless.py",))
    try:
        connector = aiohttp.TCPConnector(ssl=bench.context, limit=0)
        async with aiohttp.ClientSession(bare.url, connector=connector) as session:
            await ready(bare, session)
            other = replace(bench, server=bare, session=session)
            await bench.create_pods(200, "gate")
            await other.create_pods(200, "bare")
            took: dict[str, dict[str, list[float]]] = {"create": {}, "get": {}}
            for _ in range(GATE_ROUNDS):
                for name, each in (("gate", bench), ("bare", other)):
                    for verb, milliseconds in (await _round(each, name)).items():
                        took[verb].setdefault(name, []).append(milliseconds)
    finally:
        bare.process.kill()
        bare.process.wait()
    for verb, times in took.items():
        shares = [(a - b) * 100 / a for a, b in zip(times["gate"], times["bare"], strict=True)]
        both = f"with the gate {spread(times['gate'], 'ms')}, without {spread(times['bare'], 'ms')}"
        print(f"{verb}: processor {both}; the gate's share {spread(shares, '%', 0)}, {GATE_ROUNDS} rounds")


async def _round(bench: Bench, prefix: str) -> dict[str, float]:
    """Processor milliseconds a request, for creates and for gets."""
    first, took = bench.pods_made, {}
    for verb in ("create", "get"):
        before = bench.used()[0]
        if verb == "create":
            await bench.create_pods(GATE_REQUESTS, prefix)
        else:
            numbers = iter(range(first, first + GATE_REQUESTS))

            async def work(numbers: Iterator[int] = numbers) -> None:
                for number in numbers:
                    await bench.call("GET", f"{PODS}/{prefix}-{number:06}")

            await asyncio.gather(*(work() for _ in range(WRITERS)))
        took[verb] = (bench.used()[0] - before) * 1000 / GATE_REQUESTS
    return took


async def start(bench: Bench) -> None:
    """Its memory when it has nothing to do; how soon it was ready was printed as it started."""
    await asyncio.sleep(SETTLE_SECONDS)
    print(f"empty: {bench.memory_mb:.0f} MB")


STEPS: dict[str, Callable[[Bench], Awaitable[None]]] = {
    "start": start,
    "creates": creates,
    "mixed": mixed,
    "list": lists,
    "watchers": watchers,
    "gate": gate,
}


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Bench]:
    """A store, an API server that was started twice on it, and a session."""
    authority = make_authority(folder_for(folder, "api"))
    context = ssl.create_default_context(cafile=authority.ca)
    context.load_cert_chain(*authority.pair("admin", "system:masters"))
    with StoreCluster(folder_for(folder, "store")) as store:
        store.start()
        await asyncio.to_thread(store.wait_until_started)
        port = free_ports(1)[0]
        for which in ("first", "next"):
            begin = time.perf_counter()
            server = ApiProcess(folder, store, authority, port)
            try:
                connector = aiohttp.TCPConnector(ssl=context, limit=0)
                async with aiohttp.ClientSession(server.url, connector=connector) as session:
                    await ready(server, session)
                    print(f"{which} start: ready after {time.perf_counter() - begin:.2f} s")
                    if which == "next":
                        bench = Bench(server, store, context, session, folder, authority)
                        account = orjson.dumps({"metadata": {"name": "default"}})
                        await bench.call("POST", "/api/v1/namespaces/default/serviceaccounts", account)
                        yield bench
            finally:
                server.process.kill()
                server.process.wait()


async def ready(server: ApiProcess, session: aiohttp.ClientSession) -> None:
    while server.process.poll() is None:
        try:
            async with session.get("/readyz") as answer:
                if answer.status == 200:
                    return
        except aiohttp.ClientError:
            pass
        await asyncio.sleep(POLL_SECONDS)
    sys.exit(f"error: the API server ended: {server.end()[1]}")


async def measure(names: list[str]) -> None:
    noise = Noise()
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            async with running(Path(folder)) as bench:
                await STEPS[name](bench)
        noise.sample()
    print(noise)


def main() -> None:
    names: Any = sys.argv[1:] or list(STEPS)
    unknown = [name for name in names if name not in STEPS]
    if unknown:
        sys.exit(f"error: {unknown[0]} is none of {', '.join(STEPS)}")
    uvloop.run(measure(names))


if __name__ == "__main__":
    main()
