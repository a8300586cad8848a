"""On which addresses node ports answer."""

from __future__ import annotations

from ipaddress import IPv4Network

from kube.api.meta import Object
from proxy.proxy import node_port_addresses


def node(name: str, ip: str) -> Object:
    addresses = [{"type": "Hostname", "address": name}, {"type": "InternalIP", "address": ip}]
    return {"metadata": {"name": name}, "status": {"addresses": addresses}}


NODES = [node("node2", "127.16.0.2"), node("node1", "127.16.0.1"), {"metadata": {"name": "new"}}]


def chosen(*networks: str) -> dict[str, str]:
    return node_port_addresses(NODES, [IPv4Network(each) for each in networks])


def test_everywhere_unless_told_otherwise() -> None:
    assert chosen("0.0.0.0/0") == {"127.0.0.1": "", "127.16.0.1": "node1", "127.16.0.2": "node2"}


def test_only_in_the_networks_asked_for() -> None:
    assert chosen("127.16.0.0/16") == {"127.16.0.1": "node1", "127.16.0.2": "node2"}
    assert chosen("127.16.0.2/32", "127.0.0.1/32") == {"127.0.0.1": "", "127.16.0.2": "node2"}
    assert chosen() == {}
