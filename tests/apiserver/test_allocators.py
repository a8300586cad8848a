"""Cluster IPs and node ports: what is taken, and when it is free again."""

from __future__ import annotations

from typing import Any

from tests.support.api_server import Api

SERVICES = "/api/v1/namespaces/default/services"


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
