"""Asks an API that may be away just now, again and again, what may be asked twice."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from kube.api.errors import StatusError
from kube.client.rest import ConnectionFailed

RETRY_SECONDS = 0.02
# "The store does not answer": a read may be tried again, a write may have happened.
PERHAPS = (503, 504)

T = TypeVar("T")


async def answered(ask: Callable[[], Awaitable[T]]) -> T:
    """The first answer; a refusal for any other reason than that the store is away is raised."""
    while True:
        try:
            return await ask()
        except ConnectionFailed:
            pass
        except StatusError as error:
            if error.code not in PERHAPS:
                raise
        await asyncio.sleep(RETRY_SECONDS)
