"""What the proxy knows of nodes: where node ports answer, and whose pod a client is."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Any

from kube.api.meta import Object
from proxy.nodes import facts


def node(name: str, ip: str, *ranges: str, **spec: Any) -> Object:
    addresses = [{"type": "Hostname", "address": name}, {"type": "InternalIP", "address": ip}]
    return {
        "metadata": {"name": name},
        "spec": {"podCIDRs": ranges, **spec},
        "status": {"addresses": addresses},
    }


NODES = [
    node("node2", "127.16.0.2", "127.224.2.0/24", "fd00::/64"),
    node("node1", "127.16.0.1", "127.224.1.0/24"),
    node("fleet-0", "127.16.1.1", "127.112.0.0/24"),
    node("fleet-1", "127.16.1.1", "127.112.1.0/24"),
    {"metadata": {"name": "new"}},
]


def chosen(*networks: str) -> Any:
    return facts(NODES[:2], [IPv4Network(each) for each in networks]).addresses


def test_everywhere_unless_told_otherwise() -> None:
    assert chosen("0.0.0.0/0") == {"127.0.0.1": "", "127.16.0.1": "node1", "127.16.0.2": "node2"}


def test_only_in_the_networks_asked_for() -> None:
    assert chosen("127.16.0.0/16") == {"127.16.0.1": "node1", "127.16.0.2": "node2"}
    assert chosen("127.16.0.2/32", "127.0.0.1/32") == {"127.0.0.1": "", "127.16.0.2": "node2"}
    assert chosen() == {}


def test_a_client_is_on_the_node_whose_pod_it_is() -> None:
    known = facts(NODES, [IPv4Network("0.0.0.0/0")])
    clients = ("127.224.1.9", "127.224.2.200", "127.112.1.7", "127.224.3.1", "127.0.0.1")
    assert [known.of_client(each) for each in clients] == ["node1", "node2", "fleet-1", "", ""]


def test_an_address_of_several_nodes_is_the_machines() -> None:
    known = facts(NODES, [IPv4Network("127.16.0.0/15")])
    assert known.addresses == {"127.16.0.1": "node1", "127.16.0.2": "node2", "127.16.1.1": ""}
    assert known.names == ("fleet-0", "fleet-1", "node1", "node2")


def test_nodes_that_are_being_left() -> None:
    leaving = node("a", "127.16.0.9", taints=[{"key": "ToBeDeletedByClusterAutoscaler"}])
    deleted = node("b", "127.16.0.8")
    deleted["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    found = facts([leaving, deleted, *NODES], [IPv4Network("0.0.0.0/0")]).leaving
    assert found == {"a", "b"}
