"""Core: leases, the keys that hang on them, and, on the leader alone, when they run out.

Two kinds of facts live apart. *Agreed* facts are rows, changed only by applied entries: which leases there
are, their ttl, their keys. *Deadlines* are the leader's own: a member that becomes leader gives every lease
its whole ttl again, and some more for the time nobody counted, so an expiry can come late but never early.
The shell asks what has expired and proposes to revoke it; applying that entry is what ends the lease, on
every member alike.

    granted --renew--> granted --deadline passes--> expired (asked again every 3 s) --revoke applied--> gone

Invariants: grant, revoke, attach and detach read no clock; deadlines exist only between promote and demote.
After: etcd server/lease/lessor.go.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Protocol

from etcdlite.errors import Refusal

LEASE = "lease"  # bucket: lease id -> ttl
ATTACHED = "attached"  # bucket: lease id and key -> nothing
TTL_SECONDS_MAX = 9_000_000_000
REVOKE_RETRY_SECONDS = 3.0  # ask again for an expired lease whose revoke may have been lost
ID = struct.Struct(">q")
TTL = struct.Struct(">q")


class Rows(Protocol):
    """The part of a backend that leases need."""

    def scan(
        self, bucket: str, start: bytes = b"", end: bytes | None = None, *, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]: ...
    def put(self, bucket: str, key: bytes, value: bytes) -> None: ...
    def delete(self, bucket: str, key: bytes) -> None: ...


@dataclass(slots=True)
class Lease:
    """One lease. `deadline` is None while this member does not lead, or has not looked at it yet;
    `check_at` is the time of its one valid entry in the heap of checks.
    """

    id: int
    ttl: int
    deadline: float | None = None
    check_at: float = 0.0


class Lessor:
    """All leases of the store."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._leading = False
        self._unseen: list[Lease] = []  # granted, and no deadline yet
        self._checks: list[tuple[float, int]] = []  # heap: when to look at which lease; one entry a lease
        self._leases: dict[int, Lease] = {}
        self.granted_count = self.revoked_count = self.renewed_count = 0
        self.restored()

    def restored(self) -> None:
        """Read the leases of a new state; deadlines begin anew."""
        self._leases = {}
        for key, row in self._rows.scan(LEASE):
            (lease_id,), (ttl,) = ID.unpack(key), TTL.unpack(row)
            self._leases[lease_id] = Lease(lease_id, ttl)
        self._checks = []
        self._unseen = list(self._leases.values()) if self._leading else []

    # ---- agreed facts

    def get(self, lease_id: int) -> Lease | None:
        return self._leases.get(lease_id)

    def by_deadline(self) -> list[Lease]:
        """Every lease, the next to expire first."""
        return sorted(self._leases.values(), key=lambda lease: (lease.deadline or 0.0, lease.id))

    def keys(self, lease_id: int) -> list[bytes]:
        """The keys attached to the lease, in order."""
        prefix = ID.pack(lease_id)
        return [row_key[ID.size :] for row_key, _ in self._rows.scan(ATTACHED, prefix, _after(prefix))]

    def grant(self, lease_id: int, ttl: int) -> Refusal | None:
        """Make a lease with this id."""
        assert lease_id != 0, "0 means no lease; the server picks an id before it proposes"
        if ttl > TTL_SECONDS_MAX:
            return Refusal.LEASE_TTL_TOO_LARGE
        if lease_id in self._leases:
            return Refusal.LEASE_EXISTS
        lease = self._leases[lease_id] = Lease(lease_id, ttl)
        if self._leading:
            self._unseen.append(lease)
        self._rows.put(LEASE, ID.pack(lease_id), TTL.pack(ttl))
        self.granted_count += 1
        return None

    def revoke(self, lease_id: int) -> None:
        """Forget the lease and what hangs on it; the caller deletes the keys."""
        for key in self.keys(lease_id):
            self.detach(lease_id, key)
        self.revoked_count += 1
        del self._leases[lease_id]
        self._rows.delete(LEASE, ID.pack(lease_id))

    def attach(self, lease_id: int, key: bytes) -> None:
        assert lease_id in self._leases, "checked before"
        self._rows.put(ATTACHED, ID.pack(lease_id) + key, b"")

    def detach(self, lease_id: int, key: bytes) -> None:
        self._rows.delete(ATTACHED, ID.pack(lease_id) + key)

    # ---- the leader's deadlines

    def promote(self, now: float, extend_seconds: float) -> None:
        """This member leads: count every lease anew, and grant what may have passed unseen."""
        self._leading = True
        self._unseen = []
        self._checks = []
        for lease in self._leases.values():
            lease.deadline = now + extend_seconds + lease.ttl
            self._check(lease, lease.deadline)

    def demote(self) -> None:
        """Another member leads, and counts."""
        self._leading = False
        self._unseen, self._checks = [], []
        for lease in self._leases.values():
            lease.deadline = None

    def renew(self, lease_id: int, now: float) -> int:
        """Begin the ttl again and say how long it is; 0: there is no such lease any more.

        What a new leader gave on top stays: a deadline never comes nearer, so no check comes late.
        """
        assert self._leading, "only the leader renews"
        self._see(now)
        lease = self._leases.get(lease_id)
        if lease is None or lease.deadline is None or lease.deadline <= now:
            return 0
        lease.deadline = max(lease.deadline, now + lease.ttl)
        self.renewed_count += 1
        return lease.ttl

    def remaining(self, lease_id: int, now: float) -> float | None:
        """Seconds left, as the leader counts; None: there is no such lease."""
        assert self._leading, "only the leader knows"
        self._see(now)
        lease = self._leases.get(lease_id)
        return None if lease is None or lease.deadline is None else lease.deadline - now

    def expired(self, now: float, count: int = 500) -> list[int]:
        """Up to `count` leases to revoke now; none unless this member leads."""
        self._see(now)
        expired: list[int] = []
        while self._checks and self._checks[0][0] <= now and len(expired) < count:
            check_at, lease_id = heappop(self._checks)
            lease = self._leases.get(lease_id)
            if lease is None or lease.deadline is None or lease.check_at != check_at:
                continue  # revoked, and perhaps granted again
            if lease.deadline <= now:
                expired.append(lease_id)
                self._check(lease, now + REVOKE_RETRY_SECONDS)
            else:
                self._check(lease, lease.deadline)
        return expired

    def still_expired(self, lease_ids: list[int], now: float) -> list[int]:
        """Which of these are over at this later moment, too."""
        leases = [self._leases[lease_id] for lease_id in lease_ids if lease_id in self._leases]
        return [lease.id for lease in leases if lease.deadline is not None and lease.deadline <= now]

    def _check(self, lease: Lease, at: float) -> None:
        lease.check_at = at
        heappush(self._checks, (at, lease.id))

    def _see(self, now: float) -> None:
        """Leases granted since the last look begin to run: applying reads no clock."""
        for lease in self._unseen:
            lease.deadline = now + lease.ttl
            self._check(lease, lease.deadline)
        self._unseen.clear()


def _after(prefix: bytes) -> bytes | None:
    """The first key that does not begin with the prefix."""
    stripped = prefix.rstrip(b"\xff")
    return stripped[:-1] + bytes([stripped[-1] + 1]) if stripped else None
