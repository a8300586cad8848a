"""More connections than there are descriptors."""

from __future__ import annotations

import resource
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from apiserver.http_protocol import DESCRIPTORS_KEPT, connections_max
from tests.support.hostile import Target
from tests.support.wait import until

pytestmark = pytest.mark.slow

DESCRIPTORS = 256
SILENT, SILENT_BYTES = 10_000, 96 << 10


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """A server that may have few descriptors."""
    target = Target(tmp_path_factory.mktemp("small"), descriptors=DESCRIPTORS)
    yield target
    target.end()


def test_idle_clients_leave_some_descriptors(small: Target) -> None:
    """Those of the store and of kubelets are not taken; who comes too late is cut off, and may come again."""
    with ExitStack() as stack:
        for _ in range(DESCRIPTORS - DESCRIPTORS_KEPT + 20):
            stack.enter_context(small.connected())
        until(
            "the last ones are cut off",
            lambda: small.socket_count() <= DESCRIPTORS - DESCRIPTORS_KEPT + small.sockets_at_start,
        )
        assert small.process.poll() is None
    until("all are gone", small.is_alone)
    small.goes_on()


def test_without_descriptors_the_server_waits_for_some(small: Target) -> None:
    """Connections that never become encrypted are nobody's; they take all there is, and give it back."""
    with ExitStack() as stack:
        for _ in range(2 * DESCRIPTORS):
            stack.enter_context(socket.create_connection(small.address, timeout=60))
        until("all are taken", lambda: small.socket_count() > DESCRIPTORS - DESCRIPTORS_KEPT)
        assert small.process.poll() is None
    until("all are gone", small.is_alone)
    small.goes_on()


def test_hundreds_of_idle_clients_cost_little(target: Target) -> None:
    before = target.rss_bytes()
    with ExitStack() as stack:
        for _ in range(400):
            stack.enter_context(target.connected())
        target.goes_on()
        assert target.rss_bytes() - before < 96 << 20


def test_beside_ten_thousand_silent_connections_the_server_answers(target: Target) -> None:
    """They never say a word, and cost little memory (how long they may be silent: test_slowness.py)."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    before = target.rss_bytes()
    with ExitStack() as stack:
        for _ in range(SILENT):
            stack.enter_context(socket.create_connection(target.address, timeout=60))
        target.goes_on()
        assert target.rss_bytes() - before < SILENT * SILENT_BYTES
    until("all are gone", target.is_alone)
    target.goes_on()


@pytest.mark.parametrize(
    ("descriptors", "clients"),
    [(20_000, 20_000 - DESCRIPTORS_KEPT), (100, 50), (resource.RLIM_INFINITY, sys.maxsize)],
)
def test_clients_get_their_share_of_descriptors(descriptors: int, clients: int) -> None:
    assert connections_max(descriptors) == clients
