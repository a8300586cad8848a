"""What every cluster begins with: all there as in Kubernetes, made once, and put right where it differs."""

from __future__ import annotations

from typing import Any

from apiserver import bootstrap, flow_policy
from apiserver.main import Flags
from tests.support.api_server import Api

GROUP = "rbac.authorization.k8s.io/v1"
# How many of each a Kubernetes 1.36 makes by itself; the roles of fleets, the provisioner, the metrics
# server and names are ours.
COUNTS = {
    "/api/v1/namespaces": 4,
    f"/apis/{GROUP}/clusterroles": 67 + 4,
    f"/apis/{GROUP}/namespaces/kube-system/roles": 6 + 1,
    f"/apis/{GROUP}/namespaces/kube-public/roles": 1,
    f"/apis/{GROUP}/rolebindings": 7 + 2,
    "/apis/scheduling.k8s.io/v1/priorityclasses": 2,
    "/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas": 13,
    "/apis/flowcontrol.apiserver.k8s.io/v1/prioritylevelconfigurations": 8,
    "/apis/networking.k8s.io/v1/servicecidrs": 1,
    "/apis/networking.k8s.io/v1/ipaddresses": 1,
}
APF = "/apis/flowcontrol.apiserver.k8s.io/v1"


async def test_everything_is_there(api: Api) -> None:
    found = {path: len((await api.ok("GET", path))["items"]) for path in COUNTS}
    assert found == COUNTS
    services = (await api.ok("GET", "/apis/apiregistration.k8s.io/v1/apiservices"))["items"]
    names = {each["metadata"]["name"]: condition(each) for each in services}
    assert {"v1.", "v1.apps", "v2.autoscaling"} <= set(names)
    assert set(names.values()) == {("Available", "True", "Local")}
    schema = await api.ok("GET", f"{APF}/flowschemas/global-default")
    assert condition(schema) == ("Dangling", "False", "Found")


async def test_what_is_there_is_not_written_again(api: Api) -> None:
    before = await api.server.storage.current_revision()
    await ensure(api)
    assert await api.server.storage.current_revision() == before


async def test_what_was_changed_is_put_right_unless_it_says_it_is_the_users(api: Api) -> None:
    for name, auto in (("probes", "true"), ("global-default", "false")):
        schema = await api.ok("GET", f"{APF}/flowschemas/{name}")
        schema["metadata"]["annotations"] = {flow_policy.AUTO_UPDATE: auto}
        schema["spec"]["matchingPrecedence"] = 77
        await api.ok("PUT", f"{APF}/flowschemas/{name}", schema)
    await ensure(api)
    probes = await api.ok("GET", f"{APF}/flowschemas/probes")
    assert (probes["spec"]["matchingPrecedence"], condition(probes)[0]) == (2, "Dangling")
    users = await api.ok("GET", f"{APF}/flowschemas/global-default")
    assert users["spec"]["matchingPrecedence"] == 77


async def ensure(api: Api) -> None:
    await api.server.cache.consistent()
    await bootstrap.ensure(api.server, Flags().service_cluster_ip_range, 6450)
    await api.server.cache.consistent()


def condition(o: Any) -> tuple[str, str, str]:
    [only] = o["status"]["conditions"]
    return only["type"], only["status"], only["reason"]
