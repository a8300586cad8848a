"""A running API server over a store in memory, a new one for each test that asks for `api`."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.apiserver.webhooks import Hooked
from tests.support.api_server import Api, serving
from tests.support.certificates import Authority, make_authority
from tests.support.webhook_server import answering


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    async with serving() as running:
        yield running


@pytest.fixture(scope="session")
def webhook_pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Authority, tuple[str, str]]:
    """An authority, and a certificate for 127.0.0.1 and the Service `default/hooks`."""
    authority = make_authority(tmp_path_factory.mktemp("webhooks"))
    return authority, authority.pair("webhook", names=["hooks.default.svc"])


@pytest.fixture
async def hooked(webhook_pair: tuple[Authority, tuple[str, str]]) -> AsyncIterator[Hooked]:
    """An API server, and a webhook server beside it."""
    async with answering(*webhook_pair) as server, serving() as running:
        yield Hooked(running, server)
