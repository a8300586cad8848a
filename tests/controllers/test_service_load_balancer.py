"""Services of type LoadBalancer get addresses, on a real API server."""

from __future__ import annotations

import random
from collections.abc import Callable
from ipaddress import ip_network
from typing import Any

from controllers.main import Settings, build_controllers
from controllers.service_load_balancer.addresses import addresses_of
from controllers.service_load_balancer.plan import FINALIZER
from controllers.wiring import Wiring
from kube.api import meta
from kube.api.meta import Object
from kube.api.resources import SERVICES
from kube.base.clock import SystemClock
from kube.client.informer import InformerFactory
from kube.client.rest import Client
from tests.controllers.conftest import Managed, leading, managing
from tests.support.api_server import serving
from tests.support.in_process import client_of

NAMES = ("service-lb-controller",)
TWO = Settings(balancer_range=ip_network("10.9.0.0/30"))
SIX = Settings(balancer_range=ip_network("10.9.0.0/29"))


async def make(client: Client, name: str, **spec: Any) -> Object:
    spec = {"type": "LoadBalancer", "ports": [{"port": 80}], **spec}
    return await client.create(SERVICES, {"metadata": {"name": name, "namespace": "default"}, "spec": spec})


async def change(client: Client, name: str, **spec: Any) -> None:
    await client.patch(SERVICES, "default", name, {"spec": spec})


async def say(client: Client, name: str, **status: Any) -> None:
    await client.patch(SERVICES, "default", name, {"status": status}, subresource="status")


def has(*addresses: str) -> Callable[[Object], bool]:
    return lambda service: addresses_of(service) == [*addresses]


async def until_some(managed: Managed, name: str) -> str:
    """Its address, once it has one."""
    (found,) = addresses_of(await managed.until(SERVICES, name, addresses_of))
    return found


async def test_a_service_gets_an_address_and_gives_it_back() -> None:
    async with managing(TWO, NAMES) as managed:
        await make(managed.client, "web")
        found = await managed.until(SERVICES, "web", has("10.9.0.1"))
        assert found["status"]["loadBalancer"] == {"ingress": [{"ip": "10.9.0.1", "ipMode": "VIP"}]}
        assert meta.finalizers(found) == [FINALIZER]
        assert await managed.messages("EnsuringLoadBalancer") == ["Ensuring load balancer"]
        assert await managed.messages("EnsuredLoadBalancer") == ["Ensured load balancer"]
        await managed.client.delete(SERVICES, "default", "web")
        await managed.until_gone(SERVICES, "web")
        assert await managed.messages("DeletingLoadBalancer") == ["Deleting load balancer"]
        assert await managed.messages("DeletedLoadBalancer") == ["Deleted load balancer"]


async def test_a_range_that_is_used_up_says_so_until_a_service_goes() -> None:
    async with managing(TWO, NAMES) as managed:
        for name in ("a", "b"):
            await make(managed.client, name)
        assert {await until_some(managed, name) for name in ("a", "b")} == {"10.9.0.1", "10.9.0.2"}
        await make(managed.client, "c")
        why = "failed to ensure load balancer: all 2 addresses of the range 10.9.0.0/30 are in use"
        assert (await managed.messages("SyncLoadBalancerFailed"))[0] == f"Error syncing load balancer: {why}"
        await managed.until(SERVICES, "c", meta.finalizers)
        await managed.client.delete(SERVICES, "default", "a")
        await until_some(managed, "c")
        await make(managed.client, "d")
        await managed.until(SERVICES, "d", meta.finalizers)
        await change(managed.client, "b", type="ClusterIP")
        await until_some(managed, "d")


async def test_one_that_waits_is_deleted_at_once() -> None:
    async with managing(TWO, NAMES) as managed:
        await make(managed.client, "a", loadBalancerIP="10.8.0.1")
        await managed.until(SERVICES, "a", meta.finalizers)
        await managed.client.delete(SERVICES, "default", "a")
        await managed.until_gone(SERVICES, "a")


async def test_what_is_asked_for_is_given_once_it_is_free() -> None:
    async with managing(SIX, NAMES) as managed:
        await make(managed.client, "a", loadBalancerIP="10.9.0.5")
        await managed.until(SERVICES, "a", has("10.9.0.5"))
        await make(managed.client, "b", loadBalancerIP="10.9.0.5")
        why = "failed to ensure load balancer: spec.loadBalancerIP 10.9.0.5 is in use by another Service"
        assert (await managed.messages("SyncLoadBalancerFailed"))[0] == f"Error syncing load balancer: {why}"
        await change(managed.client, "a", loadBalancerIP="10.9.0.6")
        await managed.until(SERVICES, "b", has("10.9.0.5"))
        await managed.until(SERVICES, "a", has("10.9.0.6"))


async def test_another_type_or_a_class_ends_it_and_the_type_begins_it_again() -> None:
    async with managing(SIX, NAMES) as managed:
        await make(managed.client, "a")
        await until_some(managed, "a")
        for other in ("NodePort", "ClusterIP"):
            await change(managed.client, "a", type=other)
            await managed.until(SERVICES, "a", lambda o: not addresses_of(o) and not meta.finalizers(o))
            await change(managed.client, "a", type="LoadBalancer")
            await until_some(managed, "a")
        await change(managed.client, "a", type="ClusterIP")
        await change(managed.client, "a", type="LoadBalancer", loadBalancerClass="example.com/other")
        await managed.until(SERVICES, "a", lambda o: not addresses_of(o) and not meta.finalizers(o))


async def test_what_others_write_into_the_status_stays() -> None:
    ready = {"type": "Ready", "status": "True", "reason": "Tested", "message": ""}
    ready["lastTransitionTime"] = "2026-01-01T00:00:00Z"
    async with managing(SIX, NAMES) as managed:
        await make(managed.client, "a", type="ClusterIP")
        await say(managed.client, "a", conditions=[ready])
        await change(managed.client, "a", type="LoadBalancer")
        found = await managed.until(SERVICES, "a", addresses_of)
        assert found["status"]["conditions"] == [ready]
        await change(managed.client, "a", type="ClusterIP")
        found = await managed.until(SERVICES, "a", lambda o: not addresses_of(o))
        assert found["status"]["conditions"] == [ready]


async def test_of_two_that_hold_one_address_the_older_keeps_it() -> None:
    async with managing(SIX, NAMES) as managed:
        await make(managed.client, "a")
        first = await until_some(managed, "a")
        await make(managed.client, "b")
        await until_some(managed, "b")
        await say(managed.client, "b", loadBalancer={"ingress": [{"ip": first, "ipMode": "VIP"}]})
        await managed.until(SERVICES, "b", lambda o: addresses_of(o) not in ([first], []))
        assert addresses_of(await managed.client.get(SERVICES, "default", "a")) == [first]


async def test_the_next_manager_goes_on_where_the_last_one_was() -> None:
    async with serving() as api:
        client, given = client_of(api, "test"), {}
        managed = Managed(client)
        for names in (("a", "b"), ("c", "d"), ("e",)):
            async with leading(api, SIX, NAMES):
                for name in names:
                    await make(client, name)
                for name in names:
                    given[name] = await until_some(managed, name)
                if "c" in names:
                    await managed.until_gone(SERVICES, "b")
            # While nobody leads, one is deleted; the next manager lets it go.
            if "b" in names:
                await client.delete(SERVICES, "default", "b")
                del given["b"]
        await client.close()
    assert len(set(given.values())) == len(given) == 4


async def test_without_a_range_nobody_gives_out_addresses() -> None:
    async with serving() as api:
        client, chance = client_of(api, "test"), random.Random(1)
        wiring = Wiring(client, InformerFactory(client, chance), SystemClock(), chance)
        assert build_controllers(wiring, Settings(), NAMES) == []
        assert len(build_controllers(wiring, SIX, NAMES)) == 1
        await client.close()
