"""Shell: which of the store's leases a key gets that is to expire: keys of about the same time share one.

A lease each would cost the store more than the keys. So a lease lives a little longer than the first of its
keys asked for, and the next keys take it for as long as it outlives what they ask for.

Invariants: no key expires before its time; none later than its time and the lease's addition.
After: k8s staging/src/k8s.io/apiserver/pkg/storage/etcd3/lease_manager.go
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

# What a lease lives longer than its first key: this part of it, but not more than so many seconds.
ADDITION_PART = 0.05
ADDITION_SECONDS_MAX = 60
# The end of a lease deletes all its keys at once, as one revision.
KEYS_MAX = 1000


@dataclass(slots=True)
class Lease:
    """One lease: when it ends, and how many keys were given it."""

    id: int
    ends_at: float
    keys: int = 0


class SharedLeases:
    """The leases that may still be given out, by the time to live they were made for.

    `grant` makes a lease of so many seconds and answers its id; `now` tells seconds.
    """

    def __init__(self, grant: Callable[[int], Awaitable[int]], now: Callable[[], float]) -> None:
        self._grant, self._now = grant, now
        self._leases: dict[int, Lease] = {}
        self._granting = asyncio.Lock()

    async def get(self, ttl_seconds: int) -> int:
        """A lease that lives at least so long; 0, which is none, for a key that never expires."""
        if not ttl_seconds:
            return 0
        async with self._granting:
            lease = self._leases.get(ttl_seconds)
            if lease is None or lease.keys >= KEYS_MAX or lease.ends_at <= self._now() + ttl_seconds:
                addition = min(int(ttl_seconds * ADDITION_PART), ADDITION_SECONDS_MAX)
                ends_at = self._now() + ttl_seconds + addition
                lease = self._leases[ttl_seconds] = Lease(await self._grant(ttl_seconds + addition), ends_at)
            lease.keys += 1
            return lease.id

    def forget(self, lease_id: int) -> None:
        """The store has no such lease (any more)."""
        self._leases = {ttl: lease for ttl, lease in self._leases.items() if lease.id != lease_id}
