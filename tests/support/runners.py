"""Ends servers of this process: a connection under TLS is else closed only when its other end has agreed."""

from __future__ import annotations

import asyncio

from aiohttp import web


async def end(runner: web.BaseRunner[web.Request]) -> None:
    """Break off what is open, and stop: nothing is left to a loop that ends soon."""
    assert runner.server is not None
    for each in runner.server.connections:
        if each.transport is not None:
            each.transport.abort()
    await asyncio.sleep(0)
    await runner.cleanup()
