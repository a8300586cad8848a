"""Routes for a cluster in 10/8, in a network namespace: what is added, left alone, refused."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy import routes
from deploy.errors import LaunchError
from deploy.layout import Layout
from deploy.topology import Topology, parse
from tests.support.namespace import Namespace

NODES = [{"name": "a"}, {"name": "b", "runtime": "docker"}]
ROUTED = parse({"network": "routed", "etcd": {"count": 1}, "kubelet": {"nodes": NODES}})
LAYOUT = Layout(Path("/data"), 6440, 0, "routed")
NOBODY = 65534


@pytest.fixture
def inside(tmp_path: Path) -> Iterator[None]:
    """This test runs in a namespace that has a loopback and nothing else."""
    namespace = Namespace(tmp_path)
    namespace.open()
    try:
        with namespace.entered():
            yield
    finally:
        namespace.close()


def shown() -> list[str]:
    """The machine's local routes in 10/8."""
    said = subprocess.run(
        ["ip", "route", "show", "table", "local"], capture_output=True, text=True, check=True
    )
    return [line.split()[1] for line in said.stdout.splitlines() if line.startswith("local 10.")]


def answers(address: str) -> bool:
    """Whether somebody can listen there."""
    with socket.socket() as listener:
        try:
            listener.bind((address, 0))
        except OSError:
            return False
    return True


def test_the_machine_answers_while_the_cluster_is_up(inside: None) -> None:
    subprocess.run(["ip", "route", "add", "local", "10.1.0.0/16", "dev", "lo"], check=True)
    assert not answers("10.96.0.10")
    routes.add(ROUTED, LAYOUT)
    routes.add(ROUTED, LAYOUT)
    assert shown() == ["10.1.0.0/16", "10.16.0.0/16", "10.80.0.0/16", "10.96.0.0/16", "10.224.1.0/24"]
    assert [answers(each) for each in ("10.96.0.10", "10.224.1.2", "10.224.2.2")] == [True, True, False]
    routes.remove(ROUTED, LAYOUT)
    assert shown() == ["10.1.0.0/16"]


def test_a_cluster_on_the_loopback_needs_none(inside: None) -> None:
    plain: Topology = parse({"etcd": {"count": 1}, "kubelet": {"nodes": NODES}})
    routes.add(plain, Layout(Path("/data"), 6440, 0))
    assert shown() == []


def test_what_the_machine_has_already_is_not_taken_from_it(inside: None) -> None:
    subprocess.run(["ip", "link", "add", "lan", "type", "bridge"], check=True)
    subprocess.run(["ip", "address", "add", "10.96.7.1/24", "dev", "lan"], check=True)
    subprocess.run(["ip", "link", "set", "lan", "up"], check=True)
    with pytest.raises(
        LaunchError, match=r"needs 10.96.0.0/16, but this machine has a route to 10.96.7.0/24"
    ):
        routes.add(ROUTED, LAYOUT)
    assert [answers(each) for each in ("10.96.7.1", "10.96.0.10")] == [True, False]


def test_who_may_not_add_any_is_told_which(inside: None) -> None:
    os.seteuid(NOBODY)
    try:
        with pytest.raises(LaunchError) as refused:
            routes.add(ROUTED, LAYOUT)
    finally:
        os.seteuid(0)
    for each in ("10.96.0.0/16", "10.80.0.0/16", "10.16.0.0/16", "10.224.1.0/24"):
        assert f"ip route add local {each} dev lo proto {routes.PROTOCOL}" in str(refused.value)
    assert shown() == []
    for each in ("10.96.0.0/16", "10.80.0.0/16", "10.16.0.0/16", "10.224.1.0/24"):
        subprocess.run(["ip", "route", "add", "local", each, "dev", "lo"], check=True)
    os.seteuid(NOBODY)
    try:
        routes.add(ROUTED, LAYOUT)
        routes.remove(ROUTED, LAYOUT)
    finally:
        os.seteuid(0)
