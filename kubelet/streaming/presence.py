"""Shell: notices that a client is gone while nobody reads what it sent.

Nothing is read while a command or a pod takes no more, so that its client waits; the end of the connection is
not read then either. A ping, answered or not, finds it out: TCP refuses it.
"""

from __future__ import annotations

import asyncio

from aiohttp import web

PING_SECONDS = 20.0


async def until_gone(socket: web.WebSocketResponse) -> None:
    """Until the client's end of the connection is no more."""
    try:
        while True:
            await asyncio.sleep(PING_SECONDS)
            await socket.ping()
    except ConnectionError:
        return
