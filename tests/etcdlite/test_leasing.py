"""What a member that believes it leads does about leases, before and after the others have confirmed it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from etcdlite.commands import Command, LeaseRevokeRequest
from etcdlite.errors import Refusal, StoreError
from etcdlite.lease.lessor import Lessor
from etcdlite.leasing import EXPIRY_SECONDS, Leasing
from etcdlite.mvcc.backend import MemoryBackend
from tests.support.virtual_time import virtual_time

TTL = 10


class Leader:
    """Leads with one lease; `confirmed` is what its question to the others waits for."""

    def __init__(self) -> None:
        self.lessor = Lessor(MemoryBackend())
        self.lessor.promote(self.now(), 0)
        self.lessor.grant(1, TTL)
        assert self.lessor.expired(self.now()) == []  # and with the first look it begins to run
        self.waits: Any = None
        self.transport: Any = None
        self.is_leader = True
        self.raft_term = 5
        self.confirmed = asyncio.Event()
        self.asked_count = 0
        self.proposed: list[tuple[Command, int]] = []

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    async def linearizable_read(self) -> None:
        self.asked_count += 1
        try:
            await asyncio.wait_for(self.confirmed.wait(), 5)
        except TimeoutError:
            raise StoreError(Refusal.TIMEOUT) from None

    async def propose(self, command: Command, *, only_in_term: int = 0) -> Any:
        self.proposed.append((command, only_in_term))


@virtual_time
async def test_an_expired_lease_is_ended_in_the_term_in_which_it_was_confirmed() -> None:
    leader = Leader()
    leader.confirmed.set()
    loop = asyncio.create_task(Leasing(leader, 60).run())
    await asyncio.sleep(TTL + 2 * EXPIRY_SECONDS)
    loop.cancel()
    assert leader.proposed == [(LeaseRevokeRequest(1), 5)]
    assert leader.asked_count == 1


@virtual_time
async def test_who_is_not_confirmed_ends_nothing() -> None:
    leader = Leader()
    loop = asyncio.create_task(Leasing(leader, 60).run())
    await asyncio.sleep(3 * TTL)
    loop.cancel()
    assert leader.asked_count > 1
    assert leader.proposed == []


@virtual_time
async def test_what_was_renewed_while_it_asked_is_not_ended() -> None:
    """Meanwhile it lost its office and won it again, which gives every lease its time anew."""
    leader = Leader()
    loop = asyncio.create_task(Leasing(leader, 60).run())
    await asyncio.sleep(TTL + 2 * EXPIRY_SECONDS)
    assert leader.asked_count == 1
    leader.lessor.demote()
    leader.lessor.promote(leader.now(), 0)
    leader.confirmed.set()
    await asyncio.sleep(EXPIRY_SECONDS)
    loop.cancel()
    assert leader.proposed == []


@virtual_time
async def test_a_lease_is_renewed_by_who_surely_leads() -> None:
    leader = Leader()
    leasing = Leasing(leader, 60)
    renewal = asyncio.create_task(leasing.renew_here(1))
    await asyncio.sleep(1)
    assert not renewal.done()
    leader.confirmed.set()
    assert await renewal == TTL
    assert await leasing.remaining_here(1) == TTL
    assert await leasing.renew_here(2) == 0


@pytest.mark.parametrize("is_deposed", [True, False])
@virtual_time
async def test_who_is_not_confirmed_renews_nothing(is_deposed: bool) -> None:
    leader = Leader()
    leasing = Leasing(leader, 60)
    renewal = asyncio.create_task(leasing.renew_here(1))
    await asyncio.sleep(1)
    if is_deposed:
        leader.is_leader = False
        leader.confirmed.set()
    assert await renewal is None
    leader.is_leader = True
    leader.confirmed.set()
    assert await leasing.remaining_here(1) < TTL
