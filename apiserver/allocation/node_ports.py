"""Shell: which node ports are taken: one key of the store, a bit for each port of the range.

    /registry/ranges/servicenodeports   RangeAllocation: range 30000-32767, data: base64 of the bits

Every change is a write guarded by the revision it was based on, so that two API servers never take one port.
The lower part of the range is left to those who ask for a port by number.

After: k8s pkg/registry/core/service/{portallocator/allocator,allocator/storage/storage}.go
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Iterable
from random import Random

import orjson

from apiserver.storage.interface import KeyExists, Stale, Storage, Stored
from kube.api import errors

RANGE = range(30000, 32768)
# As Kubernetes: a thirty-second part of the range, between 16 and 128.
STATIC_COUNT = min(max(16, len(RANGE) // 32), 128)
KEY = "/registry/ranges/servicenodeports"
ATTEMPTS = 100

Ports = frozenset[int]


class NodePorts:
    """The ports of all nodes together; `_known` is the key as last seen."""

    def __init__(self, storage: Storage, random: Random) -> None:
        self._storage, self._random = storage, random
        self._known: Stored | None = None
        self._changing = asyncio.Lock()

    async def claim(self, port: int) -> bool:
        """Have this port; False when it is taken."""
        outcome = False

        def change(taken: Ports) -> Ports:
            nonlocal outcome
            outcome = port not in taken
            return taken | {port}

        await self.change(change)
        return outcome

    async def claim_any(self) -> int:
        """Have a port nobody had."""
        chosen = 0

        def change(taken: Ports) -> Ports:
            nonlocal chosen
            chosen = self.any_free(taken)
            return taken | {chosen}

        await self.change(change)
        return chosen

    def any_free(self, taken: Ports) -> int:
        """A free port, of the upper part while there is one."""
        for part in (RANGE[STATIC_COUNT:], RANGE[:STATIC_COUNT]):
            if free := [port for port in part if port not in taken]:
                return self._random.choice(free)
        raise errors.internal("failed to allocate a nodePort: range is full")

    async def release(self, ports: Iterable[int]) -> None:
        """Give these back."""
        gone = frozenset(ports)
        await self.change(lambda taken: taken - gone)

    async def taken(self) -> Ports:
        """The ports that are taken now."""
        self._known = await self._storage.get(KEY)
        return decode(self._known)

    async def change(self, change: Callable[[Ports], Ports]) -> None:
        """Write what `change` makes of the taken ports; it is asked again when another server was faster."""
        async with self._changing:
            for _ in range(ATTEMPTS):
                before = decode(self._known)
                after = change(before)
                if after == before:
                    # What we know may be old: ask before believing it.
                    if await self.taken() == before:
                        return
                elif await self._write(encode(after)):
                    return
        raise errors.service_unavailable("the node ports are being changed by too many at once; try again", 1)

    async def _write(self, value: bytes) -> bool:
        """True if nobody wrote since `_known` was seen; it is what stands there afterwards."""
        try:
            if self._known is None:
                revision = await self._storage.create(KEY, value)
            else:
                revision = await self._storage.update(KEY, value, self._known.revision)
        except KeyExists:
            self._known = await self._storage.get(KEY)
            return False
        except Stale as stale:
            self._known = stale.current
            return False
        self._known = Stored(KEY, value, revision)
        return True


def encode(taken: Iterable[int]) -> bytes:
    """The RangeAllocation that says so: bit N of a big number is the Nth port of the range."""
    bits = sum(1 << (port - RANGE.start) for port in taken)
    data = bits.to_bytes((bits.bit_length() + 7) // 8, "big")
    allocation = {
        "kind": "RangeAllocation",
        "apiVersion": "v1",
        "metadata": {},
        "range": f"{RANGE.start}-{RANGE.stop - 1}",
        "data": base64.b64encode(data).decode(),
    }
    return orjson.dumps(allocation)


def decode(stored: Stored | None) -> Ports:
    """The ports a RangeAllocation names; none where there is none yet."""
    if stored is None:
        return frozenset()
    bits = int.from_bytes(base64.b64decode(orjson.loads(stored.value)["data"]), "big")
    return frozenset(port for port in RANGE if bits >> (port - RANGE.start) & 1)
