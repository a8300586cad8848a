"""Leases: none ends early, no key outlives its own.

A renewal that was acknowledged gives the lease its whole time again, counted from when it was asked. Only
the members' clocks can say how long that is, and they may run apart or jump; so a lease that was ended
although nobody asked must have lasted on at least one of them.
"""

from __future__ import annotations

from etcdlite import codec
from etcdlite.commands import LeaseGrantRequest, LeaseRevokeRequest
from etcdlite.mvcc.store import Store
from etcdlite.raft.messages import Entry
from tests.sim.checkers.linearizability import Call

SLACK_SECONDS = 1e-3


class Leases:
    """`clocks` are the members' clocks, one dict a tick."""

    def __init__(self) -> None:
        self.clocks: list[dict[int, float]] = []
        self.expired_count = self.renewed_count = 0
        self._counted_from: dict[int, tuple[int, int]] = {}  # lease -> tick it was last renewed at, ttl
        self._given_up: set[int] = set()  # leases that some client asked to revoke

    def asked(self, call: Call) -> None:
        if call.method == "LeaseRevoke":
            self._given_up.add(call.request.ID)

    def answered(self, call: Call) -> None:
        """A renewal was acknowledged."""
        if call.method == "LeaseKeepAlive" and call.response.TTL > 0:
            self.renewed_count += 1
            known = self._counted_from.get(call.request.ID)
            if known is not None and known[0] < call.asked_at:
                self._counted_from[call.request.ID] = (int(call.asked_at), call.response.TTL)

    def committed(self, now: int, store: Store, entry: Entry) -> None:
        """An entry was applied by the first member; `store` is that member's, just after."""
        command = codec.decode_command(entry.data)[1]
        if isinstance(command, LeaseGrantRequest) and command.id not in self._counted_from:
            self._counted_from[command.id] = (now, command.ttl)
        elif isinstance(command, LeaseRevokeRequest):
            self._ended(now, store, command.id)

    def _ended(self, now: int, store: Store, lease_id: int) -> None:
        left = [kv.key for kv in store.range(b"\0", b"\0")[0] if kv.lease == lease_id]
        assert not left, f"lease {lease_id} has ended, and its keys {left} live on"
        since = self._counted_from.pop(lease_id, None)
        if since is None or lease_id in self._given_up:
            return
        self.expired_count += 1
        lasted = max(self._passed(member_id, since[0]) for member_id in self.clocks[-1])
        assert lasted >= since[1] - SLACK_SECONDS, (
            f"lease {lease_id} of {since[1]} s, renewed at {since[0]}, has ended after {lasted} s"
        )

    def _passed(self, member_id: int, since: int) -> float:
        now = self.clocks[-1][member_id]
        return now - self.clocks[since].get(member_id, now)
