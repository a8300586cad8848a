"""The variables of containers, and what else a pod's spec says of them."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from kubelet.pod.downward import Surroundings
from kubelet.pod.environment import environment, references
from kubelet.pod.failures import CannotConfigure
from kubelet.pod.service_links import service_links

POD = {
    "metadata": {"name": "p", "namespace": "n", "uid": "u", "labels": {"app.x/y": "web"}},
    "spec": {"nodeName": "node1", "serviceAccountName": "default", "containers": []},
}
AROUND = Surroundings("127.0.0.1", "10.0.0.9", {"cpu": "8", "memory": "16Gi"})
MAP = {"kind": "ConfigMap", "data": {"k": "v", "b": "$(A)"}}
SECRET = {"kind": "Secret", "data": {"k": base64.b64encode(b"hush").decode()}}
FOUND = {("ConfigMap", "m"): MAP, ("Secret", "s"): SECRET, ("ConfigMap", "none"): None}


def of(**source: Any) -> dict[str, Any]:
    return {"name": "V", "valueFrom": source}


def from_field(path: str) -> dict[str, Any]:
    return of(fieldRef={"fieldPath": path})


def variables(*env: Any, env_from: Any = (), **container: Any) -> dict[str, str]:
    spec = {"name": "c", "env": env, "envFrom": env_from, **container}
    return environment(POD, spec, FOUND, {"DB_SERVICE_HOST": "10.96.0.7"}, AROUND)


@pytest.mark.parametrize(
    ("env", "values"),
    [
        ([], {}),
        ([{"name": "A", "value": "1"}, {"name": "B"}], {"A": "1", "B": ""}),
        (
            [{"name": "A", "value": "1"}, {"name": "B", "value": "$(A)-$(C)-$$(A)"}],
            {"A": "1", "B": "1-$(C)-$(A)"},
        ),
        ([{"name": "A", "value": "http://$(DB_SERVICE_HOST)"}], {"A": "http://10.96.0.7"}),
        ([from_field("metadata.name")], {"V": "p"}),
        ([from_field("metadata.labels['app.x/y']")], {"V": "web"}),
        ([from_field("spec.nodeName")], {"V": "node1"}),
        ([from_field("status.podIP")], {"V": "10.0.0.9"}),
        ([from_field("status.podIPs")], {"V": "10.0.0.9"}),
        ([from_field("status.hostIP")], {"V": "127.0.0.1"}),
        ([of(configMapKeyRef={"name": "m", "key": "k"})], {"V": "v"}),
        ([of(configMapKeyRef={"name": "m", "key": "no", "optional": True})], {}),
        ([of(configMapKeyRef={"name": "none", "key": "k", "optional": True})], {}),
        ([of(secretKeyRef={"name": "s", "key": "k"})], {"V": "hush"}),
        ([of(resourceFieldRef={"resource": "limits.cpu"})], {"V": "8"}),
        ([of(resourceFieldRef={"resource": "limits.memory", "divisor": "1Gi"})], {"V": "16"}),
        ([of(resourceFieldRef={"resource": "requests.cpu", "divisor": "1m"})], {"V": "250"}),
        ([of(resourceFieldRef={"resource": "requests.cpu"})], {"V": "1"}),
    ],
)
def test_variables(env: list[Any], values: dict[str, str]) -> None:
    made = variables(*env, resources={"requests": {"cpu": "250m"}})
    assert made == values | {"DB_SERVICE_HOST": "10.96.0.7"}


def test_all_of_a_map_comes_before_the_containers_own() -> None:
    env_from = [
        {"configMapRef": {"name": "m"}, "prefix": "P_"},
        {"configMapRef": {"name": "none", "optional": True}},
        {"secretRef": {"name": "s"}},
    ]
    made = variables({"name": "k", "value": "own $(P_k)"}, env_from=env_from)
    assert made == {"P_b": "$(A)", "P_k": "v", "k": "own v", "DB_SERVICE_HOST": "10.96.0.7"}


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        (of(configMapKeyRef={"name": "none", "key": "k"}), 'configmap "none" not found'),
        (of(configMapKeyRef={"name": "m", "key": "no"}), "couldn't find key no in ConfigMap n/m"),
        (of(secretKeyRef={"name": "s", "key": "no"}), "couldn't find key no in Secret n/s"),
    ],
)
def test_what_is_missing_is_said_in_kubernetes_words(variable: Any, text: str) -> None:
    with pytest.raises(CannotConfigure) as caught:
        variables(variable)
    assert (caught.value.reason, caught.value.message) == ("CreateContainerConfigError", text)


def test_references_name_each_object_once() -> None:
    ref = {"name": "m", "key": "k"}
    container = {"envFrom": [{"configMapRef": {"name": "m"}}], "env": [of(configMapKeyRef=ref)]}
    assert references(container) == [("ConfigMap", "m")]


def service(space: str, name: str, ip: str, *ports: Any) -> dict[str, Any]:
    spec = {"clusterIP": ip, "ports": list(ports)}
    return {"metadata": {"namespace": space, "name": name}, "spec": spec}


SERVICES = [
    service("default", "kubernetes", "10.96.0.1", {"name": "https", "port": 443, "protocol": "TCP"}),
    service("n", "my-db", "10.96.0.7", {"port": 53, "protocol": "UDP"}),
    service("n", "headless", "None", {"port": 1}),
    service("other", "web", "10.96.0.8", {"port": 80}),
]


def test_services_of_the_namespace_and_the_api_server() -> None:
    made = service_links(POD, SERVICES)
    assert made == {
        "KUBERNETES_SERVICE_HOST": "10.96.0.1",
        "KUBERNETES_SERVICE_PORT": "443",
        "KUBERNETES_SERVICE_PORT_HTTPS": "443",
        "KUBERNETES_PORT": "tcp://10.96.0.1:443",
        "KUBERNETES_PORT_443_TCP": "tcp://10.96.0.1:443",
        "KUBERNETES_PORT_443_TCP_PROTO": "tcp",
        "KUBERNETES_PORT_443_TCP_PORT": "443",
        "KUBERNETES_PORT_443_TCP_ADDR": "10.96.0.1",
        "MY_DB_SERVICE_HOST": "10.96.0.7",
        "MY_DB_SERVICE_PORT": "53",
        "MY_DB_PORT": "udp://10.96.0.7:53",
        "MY_DB_PORT_53_UDP": "udp://10.96.0.7:53",
        "MY_DB_PORT_53_UDP_PROTO": "udp",
        "MY_DB_PORT_53_UDP_PORT": "53",
        "MY_DB_PORT_53_UDP_ADDR": "10.96.0.7",
    }
    alone = {**POD, "spec": {"enableServiceLinks": False}}
    assert not [name for name in service_links(alone, SERVICES) if not name.startswith("KUBERNETES")]
