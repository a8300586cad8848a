"""Options shared by all tests."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

# Every run tries the same examples, so that a failure is a change's and not chance's; to look for new ones:
# HYPOTHESIS_PROFILE=search tests/run ...
settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("search", max_examples=1000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--rewrite", action="store_true", help="write the text tests' outputs as the code says them now"
    )


# What starts whole clusters, with their numbers, ports and addresses: one after another, on one processor.
# Beside them those in network namespaces of their own, and all that starts none.
CLUSTERS = ("tests/e2e/", "tests/deploy/")
IN_NAMESPACES = ("tests/e2e/test_docker_node.py", "tests/e2e/test_runtimes.py")


class InGroups(LoadScopeScheduling):
    """Which tests stay together when they run on several processors (`--dist loadscope`)."""

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        return "clusters" if path.startswith(CLUSTERS) and path not in IN_NAMESPACES else path


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling | None:
    return InGroups(config, log) if config.getoption("dist") == "loadscope" else None
