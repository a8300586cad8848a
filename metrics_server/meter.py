"""Shell: reads every kubelet's /metrics/resource, when somebody asks and what was read is too old.

Kubelets are known by their address: a thousand nodes of one process are read once. A kubelet that does not
answer is left out until it does.

After: metrics-server pkg/scraper/scraper.go
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import aiohttp

from kube.api import meta
from kube.api.kubelet_address import address_of
from kube.api.resources import NODES, PODS
from kube.base.logs import logger
from kube.client.rest import Client
from metrics_server import samples, usage
from metrics_server.samples import Reading
from metrics_server.usage import Measured

log = logger(__name__)

RESOLUTION_SECONDS = 15.0
FORGOTTEN_SECONDS = 60.0
FIRST_WINDOW_SECONDS = 1.0
PATIENCE_SECONDS = 10.0
AT_ONCE = 32
PAGE_PODS = 500


class Meter:
    """The last reading of each kubelet, and what was used between the last two.

    kubelets: a session that they let in.
    """

    def __init__(
        self,
        client: Client,
        kubelets: aiohttp.ClientSession,
        resolution_seconds: float = RESOLUTION_SECONDS,
    ) -> None:
        self._client, self._kubelets, self._resolution_seconds = client, kubelets, resolution_seconds
        self._lock = asyncio.Lock()
        self._readings: dict[str, Reading] = {}
        self._read_at: float | None = None
        self._measured = Measured()

    async def measured(self) -> Measured:
        """What was used lately; raises StatusError and ConnectionFailed."""
        async with self._lock:
            age = self._age()
            if age is None or age >= self._resolution_seconds:
                await self._measure()
            return self._measured

    def _age(self) -> float | None:
        return None if self._read_at is None else asyncio.get_running_loop().time() - self._read_at

    async def _measure(self) -> None:
        age, nodes = self._age(), await self._nodes()
        known = self._readings if age is not None and age < FORGOTTEN_SECONDS else {}
        if unknown := [address for address in nodes if address not in known]:
            known = known | await self._read_all(unknown)
            await asyncio.sleep(FIRST_WINDOW_SECONDS)
        readings = await self._read_all(list(nodes))
        read_at = asyncio.get_running_loop().time()
        is_fleet = any(len(names) > 1 for names in nodes.values())
        places = await self._places() if is_fleet else {}
        measured = Measured()
        for address, reading in readings.items():
            usage.measure(measured, nodes[address], known.get(address), reading, places)
        self._readings, self._read_at, self._measured = readings, read_at, measured

    async def _nodes(self) -> dict[str, list[str]]:
        """The names of the nodes at each address."""
        found: dict[str, list[str]] = {}
        for node in (await self._client.list(NODES))["items"]:
            if (node.get("status") or {}).get("addresses"):
                found.setdefault(address_of(node), []).append(meta.name(node))
        return found

    async def _places(self) -> dict[str, str]:
        """The node of each pod; what a kubelet of many nodes tells says nothing of that."""
        places, token = dict[str, str](), ""
        while True:
            page = await self._client.list(PODS, limit=PAGE_PODS, continue_token=token)
            places |= {meta.key(pod): meta.get(pod, "spec", "nodeName", default="") for pod in page["items"]}
            if not (token := meta.get(page, "metadata", "continue", default="")):
                return places

    async def _read_all(self, addresses: Sequence[str]) -> dict[str, Reading]:
        """The readings of those that answer."""
        gate = asyncio.Semaphore(AT_ONCE)

        async def read(address: str) -> Reading | None:
            async with gate:
                return await self._read(address)

        readings = await asyncio.gather(*(read(each) for each in addresses))
        return {address: each for address, each in zip(addresses, readings, strict=True) if each is not None}

    async def _read(self, address: str) -> Reading | None:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                async with self._kubelets.get(f"https://{address}/metrics/resource") as answer:
                    answer.raise_for_status()
                    return samples.parse(await answer.text())
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            log.warning("cannot read a kubelet's metrics", address=address, error=error)
            return None
