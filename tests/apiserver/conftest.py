"""A running API server over a store in memory, a new one for each test that asks for `api`."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.support.api_server import Api, serving


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    async with serving() as running:
        yield running
