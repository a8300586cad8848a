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
def webhook_authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return make_authority(tmp_path_factory.mktemp("webhooks"))


@pytest.fixture
async def hooked(webhook_authority: Authority) -> AsyncIterator[Hooked]:
    """An API server and a webhook server that answers for itself and for the Service `default/hooks`."""
    async with answering(webhook_authority, ("hooks.default.svc",)) as server, serving() as running:
        yield Hooked(running, server)
