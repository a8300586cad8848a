"""Each file in testdata is one cluster's story."""

from pathlib import Path

import pytest

from tests import datadriven
from tests.scheduler.world import World

FILES = sorted((Path(__file__).parent / "testdata").glob("*.txt"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_text(path: Path, request: pytest.FixtureRequest) -> None:
    datadriven.run(path, request, World().handle)
