"""Options shared by all tests."""

from __future__ import annotations

import os
import signal

import pytest
from hypothesis import settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from tests.support import namespace
from tests.support.groups import group, place

# Every run tries the same examples, so that a failure is a change's and not chance's; to look for new ones:
# HYPOTHESIS_PROFILE=search tests/run ...
settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("search", max_examples=1000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--rewrite", action="store_true", help="write the text tests' outputs as the code says them now"
    )


def pytest_configure(config: pytest.Config) -> None:
    # A shell has what it starts in the background ignore SIGINT, and what that starts inherits it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # Before any test makes a thread or a socket.
    if hasattr(config, "workerinput") and namespace.may_be_made():
        namespace.leave_the_machines_network()


class InGroups(LoadScopeScheduling):
    """The processes take groups (`--dist loadscope`)."""

    def _split_scope(self, nodeid: str) -> str:
        return group(nodeid)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("dist", "no") == "loadscope" or hasattr(config, "workerinput"):
        items.sort(key=lambda item: place(item.nodeid))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling | None:
    return InGroups(config, log) if config.getoption("dist") == "loadscope" else None
