"""Shell: ends processes that are not our children: politely, then by force, and waits until they are gone."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Sequence

from deploy.identity import Identity

GRACE_SECONDS = 5.0


async def wait_ended(identity: Identity) -> None:
    """Return when the process has ended, whoever its parent is."""
    try:
        pidfd = os.pidfd_open(identity.pid)
    except ProcessLookupError:
        return
    loop = asyncio.get_running_loop()
    ended = loop.create_future()
    loop.add_reader(pidfd, ended.cancel)
    try:
        # Only now: the pid could have passed to another process before the descriptor was opened.
        if identity.is_alive():
            await asyncio.wait([ended])
    finally:
        loop.remove_reader(pidfd)
        os.close(pidfd)


async def end(identities: Sequence[Identity], grace_seconds: float = GRACE_SECONDS) -> list[Identity]:
    """SIGTERM, and SIGKILL to those that are still there after the grace; the latter are returned."""
    for identity in identities:
        identity.send(signal.SIGTERM)
        # One that was paused would never hear of it.
        identity.send(signal.SIGCONT)
    try:
        async with asyncio.timeout(grace_seconds):
            await _wait_all(identities)
    except TimeoutError:
        stubborn = [identity for identity in identities if identity.is_alive()]
        for identity in stubborn:
            identity.send(signal.SIGKILL)
        await _wait_all(identities)
        return stubborn
    return []


async def _wait_all(identities: Sequence[Identity]) -> None:
    async with asyncio.TaskGroup() as group:
        for identity in identities:
            group.create_task(wait_ended(identity))
