"""Cluster IPs and node ports: what is taken, when it is free again, and what is put right."""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any

from apiserver.allocation.node_ports import KEY, NodePorts, decode, encode
from apiserver.allocation.values import GRACE_SECONDS, Record, plan
from tests.support.api_server import Api, serving
from tests.support.memory_storage import MemoryStorage

SERVICES = "/api/v1/namespaces/default/services"
ADDRESSES = "/apis/networking.k8s.io/v1/ipaddresses"


def service(name: str, **spec: Any) -> dict[str, Any]:
    ports = [{"port": 80, **({"nodePort": spec.pop("node_port")} if "node_port" in spec else {})}]
    return {"metadata": {"name": name}, "spec": {"ports": ports, **spec}}


async def test_what_a_deleted_service_had_is_free_at_once(api: Api) -> None:
    made = await api.ok("POST", SERVICES, service("a", type="NodePort"))
    address, node_port = made["spec"]["clusterIP"], made["spec"]["ports"][0]["nodePort"]
    again = service("b", type="NodePort", clusterIP=address, node_port=node_port)
    refused = await api("POST", SERVICES, again)
    assert (refused.code, "already allocated" in refused.json["message"]) == (422, True)
    await api.ok("DELETE", f"{SERVICES}/a")
    assert (await api.ok("POST", SERVICES, again))["spec"]["clusterIP"] == address


async def test_a_node_port_that_its_service_gives_up_is_free_at_once(api: Api) -> None:
    made = await api.ok("POST", SERVICES, service("a", type="NodePort"))
    node_port = made["spec"]["ports"][0]["nodePort"]
    made["spec"] |= {"type": "ClusterIP"}
    given_up = await api.ok("PUT", f"{SERVICES}/a", made)
    assert "nodePort" not in given_up["spec"]["ports"][0]
    other = await api.ok("POST", SERVICES, service("b", type="NodePort", node_port=node_port))
    assert other["spec"]["ports"][0]["nodePort"] == node_port


async def test_two_servers_never_give_out_the_same() -> None:
    storage = MemoryStorage()
    async with serving(storage) as one, serving(storage) as other:
        wanted = [service(f"s{number}", type="NodePort") for number in range(40)]
        # Some ask for what others may just be given.
        for number in range(0, 40, 10):
            wanted[number]["spec"] |= {"clusterIP": f"127.96.1.{number}"}
            wanted[number + 1]["spec"] |= {"clusterIP": f"127.96.1.{number}"}
        made = await asyncio.gather(
            *((one, other)[number % 2]("POST", SERVICES, each) for number, each in enumerate(wanted))
        )
        assert sorted(each.code for each in made) == [201] * 36 + [422] * 4
        listed = (await one.ok("GET", SERVICES))["items"]
        addresses = [each["spec"]["clusterIP"] for each in listed]
        ports = [
            each["spec"]["ports"][0].get("nodePort") for each in listed if each["spec"]["type"] == "NodePort"
        ]
        assert len(set(addresses)) == len(addresses) == 37
        assert len(set(ports)) == len(ports) == 36
        assert {each["metadata"]["name"] for each in await objects(one, ADDRESSES)} == set(addresses)
        assert decode(await storage.get(KEY)) == set(ports)


async def test_a_service_that_is_not_made_takes_nothing(api: Api) -> None:
    await api.ok("POST", SERVICES, service("a"))
    before = await objects(api, ADDRESSES)
    taken = await api.server.storage.get(KEY)
    assert (await api("POST", SERVICES, service("a", type="NodePort"))).code == 409
    wrong = service(
        "b", type="NodePort", sessionAffinity="Sometimes", clusterIP="127.96.0.77", node_port=30001
    )
    assert (await api("POST", SERVICES, wrong)).code == 422
    await api.ok("POST", f"{SERVICES}?dryRun=All", service("b", type="NodePort", clusterIP="127.96.0.77"))
    assert await objects(api, ADDRESSES) == before
    assert decode(await api.server.storage.get(KEY)) == decode(taken) == set()
    right = service("b", type="NodePort", clusterIP="127.96.0.77", node_port=30001)
    await api.ok("POST", SERVICES, right)
    shown = await api.ok(
        "GET", f"{ADDRESSES}/127.96.0.77", Accept="application/json;as=Table;v=v1;g=meta.k8s.io"
    )
    assert shown["rows"][0]["cells"] == ["127.96.0.77", "services/default/b"]


async def test_ports_that_differ_in_their_protocol_share_a_node_port(api: Api) -> None:
    wanted = service("dns", type="NodePort")
    wanted["spec"]["ports"] = [
        {"name": each, "port": 53, "protocol": each.upper()} for each in ("tcp", "udp")
    ]
    ports = (await api.ok("POST", SERVICES, wanted))["spec"]["ports"]
    assert ports[0]["nodePort"] == ports[1]["nodePort"]


async def test_what_a_dead_server_had_claimed_is_free_again_after_a_while(api: Api) -> None:
    made = await api.ok("POST", SERVICES, service("a", type="NodePort"))
    leaked = {"group": "", "resource": "services", "namespace": "default", "name": "never-made"}
    address = {"metadata": {"name": "127.96.0.9"}, "spec": {"parentRef": leaked}}
    await api.ok("POST", ADDRESSES, address)
    node_ports = NodePorts(api.server.storage, Random(1))
    assert await node_ports.claim(30009)
    kept = {made["spec"]["clusterIP"], "127.96.0.1"}
    await api.server.repairer.once(0.0)
    await api.server.repairer.once(GRACE_SECONDS - 1)
    assert {each["metadata"]["name"] for each in await objects(api, ADDRESSES)} == {*kept, "127.96.0.9"}
    await api.server.repairer.once(GRACE_SECONDS)
    assert {each["metadata"]["name"] for each in await objects(api, ADDRESSES)} == kept
    assert await node_ports.taken() == {made["spec"]["ports"][0]["nodePort"]}


async def test_what_was_made_before_there_were_records_is_recorded(api: Api) -> None:
    made = await api.ok("POST", SERVICES, service("a", type="NodePort"))
    await api.ok("DELETE", f"{ADDRESSES}/{made['spec']['clusterIP']}")
    await NodePorts(api.server.storage, Random(1)).release([made["spec"]["ports"][0]["nodePort"]])
    await api.server.repairer.once(0.0)
    again = service("b", type="NodePort", clusterIP=made["spec"]["clusterIP"])
    assert (await api("POST", SERVICES, again)).code == 422
    again = service("b", type="NodePort", node_port=made["spec"]["ports"][0]["nodePort"])
    assert (await api("POST", SERVICES, again)).code == 422


def test_a_record_that_changed_meanwhile_has_not_leaked() -> None:
    seen: dict[Record, float] = {}
    assert plan([], {"10.0.0.9": 7}, seen, 0.0).leaked == []
    # Given back and claimed anew: its time begins again.
    assert plan([], {"10.0.0.9": 8}, seen, GRACE_SECONDS).leaked == []
    assert plan(["10.0.0.9"], {"10.0.0.9": 8}, seen, GRACE_SECONDS * 2).leaked == []
    assert seen == {}
    assert plan(["10.0.0.9", "10.0.0.9"], {}, seen, 0.0).doubled == ["10.0.0.9"]


def test_ports_are_bits_as_kubernetes_writes_them() -> None:
    assert b'"data":"Ag=="' in encode({30001})
    assert b'"range":"30000-32767"' in encode(())


async def objects(api: Api, path: str) -> list[Any]:
    found: list[Any] = (await api.ok("GET", path))["items"]
    return found


async def test_the_port_of_health_checks_is_a_node_port_like_others(api: Api) -> None:
    spec = {"type": "LoadBalancer", "externalTrafficPolicy": "Local"}
    made = await api.ok("POST", SERVICES, service("a", **spec, healthCheckNodePort=30007))
    assert made["spec"]["healthCheckNodePort"] == 30007
    again = await api("POST", SERVICES, service("b", **spec, healthCheckNodePort=30007))
    assert (again.code, "already allocated" in again.json["message"]) == (422, True)
    assert (await api("POST", SERVICES, service("b", type="NodePort", node_port=30007))).code == 422
    await api.ok("DELETE", f"{SERVICES}/a")
    await api.ok("POST", SERVICES, service("b", type="NodePort", node_port=30007))
