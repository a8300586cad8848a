"""One shared cluster for a run, a namespace of it for each test; fault tests start a cluster of their own."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cluster import Cluster
from tests.support.wait import until

counter = itertools.count(1)


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """The shared cluster: nobody may kill its processes."""
    yield from _started(tmp_path_factory.mktemp("shared"))


@pytest.fixture
def own_cluster(tmp_path: Path) -> Iterator[Cluster]:
    """A cluster to break."""
    yield from _started(tmp_path)


def _started(folder: Path) -> Iterator[Cluster]:
    cluster = Cluster(folder)
    cluster.up()
    try:
        yield cluster
    finally:
        cluster.down()
    assert cluster.leftovers() == []


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    """A namespace in the shared cluster in which pods can run at once."""
    name = f"test-{next(counter)}"
    cluster.kubectl("create", "namespace", name)
    until(
        "its default service account",
        lambda: "default" in cluster.kubectl("get", "serviceaccounts", "-n", name, "-o", "name"),
    )
    yield name
    cluster.kubectl("delete", "namespace", name, "--wait=false")
