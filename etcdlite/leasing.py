"""Shell: leases as the leader counts them: their ends are proposed, questions about them sent to him.

Invariants: a member proposes ends, and answers for leases, only after the others have confirmed that it
leads: one that was paused and deposed meanwhile must not end what the new leader has renewed, nor promise
what he will not keep. An end is proposed in the term in which that was confirmed, or not at all.
After: etcd server/etcdserver/server.go, revokeExpiredLeases, and v3_server.go, LeaseRenew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from etcdlite.commands import Command, LeaseRevokeRequest, Result
from etcdlite.errors import Refusal, StoreError
from etcdlite.lease.lessor import Lessor
from etcdlite.log import logger
from etcdlite.transport import Transport
from etcdlite.waits import Waits

EXPIRY_SECONDS = 0.5
RETRY_SECONDS = 0.1
GONE = -1.0

log = logger("leasing")


class Member(Protocol):
    """The member whose leases these are."""

    lessor: Lessor
    transport: Transport
    waits: Waits

    @property
    def is_leader(self) -> bool: ...
    @property
    def raft_term(self) -> int: ...
    def now(self) -> float: ...
    async def propose(self, command: Command, *, only_in_term: int = 0) -> Result: ...
    async def linearizable_read(self) -> None: ...


class Leasing:
    """The part of a member that minds leases."""

    def __init__(self, member: Member, request_seconds: float) -> None:
        self._member = member
        self._request_seconds = request_seconds
        self.expired_count = 0

    async def run(self) -> None:
        """Look for expired leases now and then."""
        while True:
            await asyncio.sleep(EXPIRY_SECONDS)
            expired = self._member.lessor.expired(self._member.now()) if self._member.is_leader else []
            if expired:
                await self._end(expired)

    async def _end(self, expired: list[int]) -> None:
        try:
            await self._member.linearizable_read()
            if self._member.is_leader:  # perhaps again, and what had expired may have been renewed
                over = self._member.lessor.still_expired(expired, self._member.now())
                await asyncio.gather(*map(self._revoke, over))
        except StoreError as error:
            log.warning("expired leases wait", count=len(expired), why=str(error))

    async def _revoke(self, lease_id: int) -> None:
        try:
            request = LeaseRevokeRequest(lease_id)
            await self._member.propose(request, only_in_term=self._member.raft_term)
            self.expired_count += 1
        except StoreError as error:
            if error.refusal is not Refusal.LEASE_NOT_FOUND:
                raise

    # ---- questions, here or at the leader

    async def renew(self, lease_id: int) -> int:
        """Renew a lease; its ttl, 0 if there is none."""
        return int(await self._at_leader(self.renew_here, lease_id, renew=True))

    async def remaining(self, lease_id: int) -> float | None:
        """How long a lease has, as the leader counts; None: there is none."""
        seconds = await self._at_leader(self.remaining_here, lease_id, renew=False)
        return None if seconds < 0 else seconds

    async def renew_here(self, lease_id: int) -> int | None:
        """The same, None if this member does not lead."""
        member = self._member
        return member.lessor.renew(lease_id, member.now()) if await self._surely_leads() else None

    async def remaining_here(self, lease_id: int) -> float | None:
        """The same (GONE: there is no such lease), None if this member does not lead."""
        if not await self._surely_leads():
            return None
        remaining = self._member.lessor.remaining(lease_id, self._member.now())
        return GONE if remaining is None else max(remaining, 0.0)

    async def _surely_leads(self) -> bool:
        """Led when asked, as the others confirm, and has applied all that earlier leaders have ended."""
        if not self._member.is_leader:
            return False
        try:
            await self._member.linearizable_read()
        except StoreError:
            return False
        return self._member.is_leader

    async def _at_leader(
        self, here: Callable[[int], Awaitable[float | None]], lease_id: int, *, renew: bool
    ) -> float:
        """Ask this member if it leads, else the one that does, until someone answers."""
        member = self._member
        deadline = member.now() + self._request_seconds
        while member.now() < deadline:
            answer = await here(lease_id)
            if answer is not None:
                return answer
            if await member.waits.leader(deadline - member.now()) and not member.is_leader:
                answer = await member.transport.ask_lease(member.waits.leader_id, lease_id, renew=renew)
                if answer is not None:
                    return answer
                await asyncio.sleep(RETRY_SECONDS)  # it is gone, or no longer leads
        raise StoreError(Refusal.TIMEOUT)
