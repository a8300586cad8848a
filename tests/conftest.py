"""Options shared by all tests."""

from __future__ import annotations

import os

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
