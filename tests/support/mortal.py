"""Stands before the API server and decides after which of its writes a component dies: the write is carried
out, its answer never comes, and nothing that the component sends after that does anything.
"""

from __future__ import annotations

import asyncio
from typing import Any

READS = ("GET", "HEAD", "OPTIONS")
# Nothing is decided by them.
OF_NO_MOMENT = ("/events", "/token", "/kube-system/serviceaccounts")


class Mortal:
    """One component, known by its User-Agent; Events, its accounts and tokens do not count."""

    def __init__(self, application: Any, user_agent: str) -> None:
        self._application, self._user_agent = application, user_agent.encode()
        self._left = 0
        self.died = asyncio.Event()
        self.buried = asyncio.Event()

    def live(self, writes: int) -> None:
        """A new life, of so many writes."""
        self.buried.set()
        self._left = writes
        self.died, self.buried = asyncio.Event(), asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if not self._is_its_write(scope):
            await self._application(scope, receive, send)
            return
        buried = self.buried
        if self._left > 0:
            self._left -= 1
            if self._left:
                await self._application(scope, receive, send)
                return
            await self._application(scope, receive, _to_nobody)
            self.died.set()
        await buried.wait()

    def _is_its_write(self, scope: Any) -> bool:
        if scope["type"] != "http" or scope["method"] in READS or scope["path"].endswith(OF_NO_MOMENT):
            return False
        agent = dict(scope["headers"]).get(b"user-agent", b"")
        return bool(agent.startswith(self._user_agent))


async def _to_nobody(_: Any) -> None:
    """The answer to one who has died."""
