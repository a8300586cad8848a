"""Which keys share a lease: none expires early, and none much later than it asked for."""

from __future__ import annotations

import asyncio

from apiserver.storage.leases import KEYS_MAX, SharedLeases


class World:
    """A clock set by hand, and a store that makes leases."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.granted: list[int] = []
        self.leases = SharedLeases(self.grant, lambda: self.now)

    async def grant(self, ttl_seconds: int) -> int:
        await asyncio.sleep(0)
        self.granted.append(ttl_seconds)
        return len(self.granted)


async def test_keys_of_the_same_minute_share_a_lease_that_outlives_them() -> None:
    world = World()
    assert await asyncio.gather(*(world.leases.get(3600) for _ in range(5))) == [1] * 5
    world.now += 59
    assert await world.leases.get(3600) == 1
    world.now += 1
    assert await world.leases.get(3600) == 2
    assert world.granted == [3660, 3660]


async def test_what_lives_shortly_is_not_kept_much_longer() -> None:
    world = World()
    assert [await world.leases.get(100), await world.leases.get(2), await world.leases.get(2)] == [1, 2, 3]
    assert world.granted == [105, 2, 2]
    assert await world.leases.get(0) == 0


async def test_a_lease_has_so_many_keys_and_no_more() -> None:
    world = World()
    ids = [await world.leases.get(3600) for _ in range(KEYS_MAX + 1)]
    assert (ids.count(1), ids[-1]) == (KEYS_MAX, 2)


async def test_a_lease_that_is_gone_is_not_given_out_again() -> None:
    world = World()
    assert await world.leases.get(3600) == 1
    world.leases.forget(1)
    assert await world.leases.get(3600) == 2
