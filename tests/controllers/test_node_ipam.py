"""Nodes get their ranges, on a real API server."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

from controllers.main import Settings
from controllers.node_ipam.ranges import Layout
from kube.api.meta import Object
from kube.api.resources import NODES
from kube.client.rest import Client
from tests.controllers.conftest import Managed, leading, managing
from tests.support.api_server import serving
from tests.support.in_process import client_of

NAMES = ("node-ipam-controller",)
TWO_NODES = Settings(node_ranges=Layout([ip_network("10.9.0.0/23")], [24]))
DUAL = Settings(node_ranges=Layout([ip_network("10.9.0.0/16"), ip_network("fd00::/48")], [24, 64]))


async def make(client: Client, name: str, **spec: Any) -> None:
    await client.create(NODES, {"metadata": {"name": name}, "spec": spec})


async def ranges(managed: Managed, name: str) -> list[str]:
    """Its ranges, once it has some."""

    def has_some(node: Object) -> bool:
        return bool(node.get("spec", {}).get("podCIDRs"))

    node = await managed.until(NODES, name, has_some, None)
    found: list[str] = node["spec"]["podCIDRs"]
    assert node["spec"]["podCIDR"] == found[0]
    return found


async def test_a_range_that_is_used_up_says_so_until_a_node_goes() -> None:
    async with managing(TWO_NODES, NAMES) as managed:
        await make(managed.client, "a", podCIDR="10.9.0.0/24", podCIDRs=["10.9.0.0/24"])
        await make(managed.client, "b")
        assert await ranges(managed, "b") == ["10.9.1.0/24"]
        await make(managed.client, "c")
        assert await managed.messages("CIDRNotAvailable") == ["Node c status is now: CIDRNotAvailable"]
        await managed.client.delete(NODES, None, "a")
        assert await ranges(managed, "c") == ["10.9.0.0/24"]


async def test_both_families() -> None:
    async with managing(DUAL, NAMES) as managed:
        await make(managed.client, "a")
        assert await ranges(managed, "a") == ["10.9.0.0/24", "fd00::/64"]


async def test_the_next_manager_goes_on_where_the_last_one_was() -> None:
    async with serving() as api:
        client, given = client_of(api, "test"), {}
        managed = Managed(client)
        for names in (("a", "b"), ("c", "d"), ("e",)):
            async with leading(api, DUAL, NAMES):
                for name in names:
                    await make(client, name)
                for name in names:
                    given[name] = await ranges(managed, name)
            # While nobody leads, one goes; its ranges are free.
            if "b" in names:
                await client.delete(NODES, None, "b")
                freed = given.pop("b")
        await client.close()
    assert freed in given.values()
    assert len({cidr for cidrs in given.values() for cidr in cidrs}) == 2 * len(given)
