"""Options shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

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
CLUSTERS = ("e2e", "deploy")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Say what stays together when tests run on several processors (`--dist loadgroup`)."""
    for item in items:
        folder = Path(item.path).parent.name
        if folder in CLUSTERS:
            item.add_marker(pytest.mark.xdist_group("clusters"))
        elif item.get_closest_marker("e2e") or item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.xdist_group(item.path.stem))
