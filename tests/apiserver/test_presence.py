"""default/kubernetes names the API servers that live; two of them over one store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from apiserver import presence
from apiserver.presence import Presence
from tests.support.api_server import Api
from tests.support.wait import until_async

HOST = "127.0.0.1"
SLICES = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"


async def named(api: Api) -> list[str]:
    """host:port of everyone that the slices name; Endpoints must say the same."""
    slices = await api.ok("GET", f"{SLICES}?labelSelector=kubernetes.io/service-name=kubernetes")
    legacy = await api.ok("GET", "/api/v1/namespaces/default/endpoints/kubernetes")
    found = [address(each, port) for each in slices["items"] for port in each["ports"]]
    older = [
        f"{each['ip']}:{port['port']}"
        for subset in legacy["subsets"]
        for port in subset["ports"]
        for each in subset["addresses"]
    ]
    assert sorted(found) == sorted(older)
    return sorted(found)


def address(endpoint_slice: Any, port: Any) -> str:
    (endpoint,) = endpoint_slice["endpoints"]
    return f"{endpoint['addresses'][0]}:{port['port']}"


@pytest.fixture
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence, "RENEW_SECONDS", 0.05)
    monkeypatch.setattr(presence, "EXPIRE_SECONDS", 1.0)


@pytest.fixture
async def one(api: Api) -> AsyncIterator[Presence]:
    """A server that runs through all of the test."""
    made = Presence(api.server, HOST, 6450)
    await made.join()
    task = asyncio.create_task(made.run())
    yield made
    task.cancel()


async def test_who_joins_is_named_at_once_and_who_leaves_no_more(api: Api, one: Presence) -> None:
    assert await named(api) == ["127.0.0.1:6450"]
    other = Presence(api.server, HOST, 6451)
    await other.join()
    assert await named(api) == ["127.0.0.1:6450", "127.0.0.1:6451"]
    await other.leave()
    assert await named(api) == ["127.0.0.1:6450"]


@pytest.mark.usefixtures("_quick")
async def test_who_is_killed_is_dropped_by_the_others(api: Api, one: Presence) -> None:
    await Presence(api.server, HOST, 6451).join()

    async def dropped() -> bool:
        return await named_or_changing(api) == ["127.0.0.1:6450"]

    await until_async("the dead server is dropped", dropped)

    async def lease_dropped() -> bool:
        leases = await api.ok("GET", "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases")
        return [each["spec"]["holderIdentity"] for each in leases["items"]] == ["127.0.0.1:6450"]

    await until_async("its Lease, too", lease_dropped)


async def named_or_changing(api: Api) -> list[str] | None:
    """None while Endpoints and slices are being written."""
    try:
        return await named(api)
    except AssertionError:
        return None


async def test_the_last_one_stays_named(api: Api) -> None:
    alone = Presence(api.server, HOST, 6450)
    await alone.join()
    await alone.leave()
    assert await named(api) == ["127.0.0.1:6450"]
