"""One server process for all that is thrown at it; after each test it must go on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.hostile import Target


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    target = Target(tmp_path_factory.mktemp("hostile"))
    yield target
    target.end()


@pytest.fixture
def target(server: Target) -> Iterator[Target]:
    yield server
    server.goes_on()
