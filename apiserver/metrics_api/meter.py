"""Shell: reads every kubelet's /metrics/resource, when somebody asks and what was read is too old.

Kubelets are known by their address: a thousand nodes of one process are read once. A kubelet that does not
answer is left out until it does.

After: metrics-server pkg/scraper/scraper.go
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import aiohttp

from apiserver.handlers.pod_log import address_of
from apiserver.metrics_api import samples, usage
from apiserver.metrics_api.samples import Reading
from apiserver.metrics_api.usage import Measured
from apiserver.storage.watch_cache import WatchCache
from kube.api import meta
from kube.api.resources import NODES, PODS
from kube.base.logs import logger

log = logger(__name__)

RESOLUTION_SECONDS = 15.0
FORGOTTEN_SECONDS = 60.0
FIRST_WINDOW_SECONDS = 1.0
PATIENCE_SECONDS = 10.0
AT_ONCE = 32


class Meter:
    """The last reading of each kubelet, and what was used between the last two."""

    def __init__(self, cache: WatchCache) -> None:
        self._cache = cache
        self._lock = asyncio.Lock()
        self._readings: dict[str, Reading] = {}
        self._read_at: float | None = None
        self._measured = Measured()

    async def measured(self, kubelets: aiohttp.ClientSession) -> Measured:
        """What was used lately; kubelets: a session that they let in."""
        async with self._lock:
            age = self._age()
            if age is None or age >= RESOLUTION_SECONDS:
                await self._measure(kubelets)
            return self._measured

    def _age(self) -> float | None:
        return None if self._read_at is None else asyncio.get_running_loop().time() - self._read_at

    async def _measure(self, kubelets: aiohttp.ClientSession) -> None:
        age, nodes = self._age(), self._nodes()
        known = self._readings if age is not None and age < FORGOTTEN_SECONDS else {}
        if unknown := [address for address in nodes if address not in known]:
            known = known | await _read_all(kubelets, unknown)
            await asyncio.sleep(FIRST_WINDOW_SECONDS)
        self._readings = await _read_all(kubelets, list(nodes))
        self._read_at = asyncio.get_running_loop().time()
        places = {each.key: each.fields["spec.nodeName"] for each in self._cache.log(PODS).objects.values()}
        measured = Measured()
        for address, reading in self._readings.items():
            usage.measure(measured, nodes[address], known.get(address), reading, places)
        self._measured = measured

    def _nodes(self) -> dict[str, list[str]]:
        """The names of the nodes at each address."""
        found: dict[str, list[str]] = {}
        for entry in self._cache.log(NODES).objects.values():
            node = entry.decode()
            if (node.get("status") or {}).get("addresses"):
                found.setdefault(address_of(node), []).append(meta.name(node))
        return found


async def _read_all(kubelets: aiohttp.ClientSession, addresses: Sequence[str]) -> dict[str, Reading]:
    """The readings of those that answer."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def read(address: str) -> Reading | None:
        async with gate:
            return await _read(kubelets, address)

    readings = await asyncio.gather(*(read(each) for each in addresses))
    return {address: each for address, each in zip(addresses, readings, strict=True) if each is not None}


async def _read(kubelets: aiohttp.ClientSession, address: str) -> Reading | None:
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            async with kubelets.get(f"https://{address}/metrics/resource") as answer:
                answer.raise_for_status()
                return samples.parse(await answer.text())
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
        log.warning("cannot read a kubelet's metrics", address=address, error=error)
        return None
