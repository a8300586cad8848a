"""Services as a user sees them: exposed with kubectl, called with plain sockets, while pods come and go."""

from __future__ import annotations

import asyncio
import itertools
import json
import ssl
import threading
import urllib.error
import urllib.request
from collections import Counter
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from kube.base.low_ports import bindable
from tests.support.cluster import Cluster
from tests.support.load import OK, ask
from tests.support.wait import until

pytestmark = pytest.mark.e2e

PER_SECOND = 200
WEB, DNS = bindable(80), bindable(53)


class Load:
    """Clients that come at a steady pace, whether or not earlier ones were answered, each with a connection
    of its own, to one address after another; in a thread, until the block ends.
    """

    def __init__(self, *addresses: tuple[str, int]) -> None:
        self._addresses = addresses
        self.answers: Counter[str] = Counter()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._all()))

    def __enter__(self) -> Load:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    async def _all(self) -> None:
        loop = asyncio.get_running_loop()
        next_at = loop.time()
        async with asyncio.TaskGroup() as clients:
            for address in itertools.cycle(self._addresses):
                if self._stop.is_set():
                    break
                clients.create_task(self._client(address))
                next_at += 1 / PER_SECOND
                await asyncio.sleep(next_at - loop.time())

    async def _client(self, address: tuple[str, int]) -> None:
        self.answers[await ask(*address)] += 1


def status(host: str, port: int, came_from: str = "") -> str:
    return asyncio.run(ask(host, port, came_from))


@pytest.fixture
def web(cluster: Cluster, namespace: str) -> Any:
    """Three nginx pods behind a Service with a node port."""
    cluster.kubectl("create", "deployment", "web", "--image=nginx", "--replicas=3", "-n", namespace)
    cluster.kubectl("expose", "deployment", "web", "--port=80", "--type=NodePort", "-n", namespace)
    cluster.kubectl("rollout", "status", "deployment/web", "-n", namespace)
    service = cluster.json("get", "service", "web", "-n", namespace)
    until("the Service answers", lambda: status(service["spec"]["clusterIP"], WEB) == OK)
    return service


def test_cluster_ip_and_node_ports_answer(cluster: Cluster, namespace: str, web: Any) -> None:
    node_port = web["spec"]["ports"][0]["nodePort"]
    nodes = cluster.json("get", "nodes")["items"]
    addresses = [
        each["address"] for n in nodes for each in n["status"]["addresses"] if each["type"] == "InternalIP"
    ]
    assert len(addresses) == 3
    if cluster.layout.number == 0:
        addresses.append("127.0.0.1")
    assert {address: status(address, node_port) for address in addresses} == dict.fromkeys(addresses, OK)
    row = cluster.kubectl("get", "service", "web", "-n", namespace).splitlines()[1].split()
    assert row[:5] == ["web", "NodePort", web["spec"]["clusterIP"], "<none>", f"80:{node_port}/TCP"]


def test_dig_finds_what_the_cluster_has(cluster: Cluster, namespace: str, web: Any) -> None:
    server = cluster.json("get", "service", "kube-dns", "-n", "kube-system")["spec"]["clusterIP"]
    address, name = web["spec"]["clusterIP"], f"web.{namespace}.svc.cluster.local"

    def dig(*words: str) -> str:
        return cluster.run("dig", f"@{server}", "-p", str(DNS), "+norecurse", *words).stdout

    assert until("its address is known", lambda: dig("+short", name)) == f"{address}\n"
    assert dig("+short", "+tcp", name) == f"{address}\n"
    assert dig("+short", "-x", address) == f"{name}.\n"
    assert dig("+short", "-t", "SRV", "_https._tcp.kubernetes.default.svc.cluster.local") == (
        "0 100 443 kubernetes.default.svc.cluster.local.\n"
    )
    assert "status: NXDOMAIN" in dig(f"nobody.{namespace}.svc.cluster.local")
    assert "status: NOERROR" in dig("-t", "AAAA", name)
    cluster.kubectl("create", "service", "externalname", "far", "--external-name=a.test", "-n", namespace)
    far = until("the alias is known", lambda: dig("+short", "-t", "CNAME", name.replace("web", "far", 1)))
    assert far == "a.test.\n"
    cluster.kubectl("create", "service", "clusterip", "each", "--clusterip=None", "--tcp=80", "-n", namespace)
    cluster.kubectl("set", "selector", "service", "each", "app=web", "-n", namespace)
    pods = cluster.json("get", "pods", "-n", namespace, "-l", "app=web")["items"]
    ips = sorted(pod["status"]["podIP"] for pod in pods)
    headless = name.replace("web", "each", 1)
    until("a headless one has its pods'", lambda: sorted(dig("+short", headless).split()) == ips)


def test_nobody_is_refused_while_pods_are_deleted_and_rolled(
    cluster: Cluster, namespace: str, web: Any
) -> None:
    node = cluster.json("get", "nodes")["items"][0]["status"]["addresses"][0]["address"]
    by_node_port = (node, web["spec"]["ports"][0]["nodePort"])
    with Load((web["spec"]["clusterIP"], WEB), by_node_port) as load:
        pods = cluster.kubectl("get", "pods", "-n", namespace, "-o", "name").split()
        cluster.kubectl("delete", *pods[:2], "-n", namespace)
        cluster.kubectl("rollout", "status", "deployment/web", "-n", namespace)
        cluster.kubectl("rollout", "restart", "deployment/web", "-n", namespace)
        cluster.kubectl("rollout", "status", "deployment/web", "-n", namespace)
        cluster.kubectl("scale", "deployment/web", "--replicas=1", "-n", namespace)
        cluster.kubectl("rollout", "status", "deployment/web", "-n", namespace)
        until("two hundred were answered", lambda: load.answers[OK] > PER_SECOND)
    assert set(load.answers) == {OK}


@pytest.fixture
def one_a_node(cluster: Cluster, namespace: str) -> dict[str, str]:
    """A pod on each node, that says its name, and is `app: who`; by node."""
    container = {"name": "who", "image": "whoami"}
    template = {"metadata": {"labels": {"app": "who"}}, "spec": {"containers": [container]}}
    spec = {"selector": {"matchLabels": {"app": "who"}}, "template": template}
    document = {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "who"}, "spec": spec}
    cluster.kubectl("apply", "-n", namespace, "-f", "-", stdin=json.dumps(document))
    cluster.kubectl("rollout", "status", "daemonset/who", "-n", namespace)
    pods = cluster.json("get", "pods", "-n", namespace, "-l", "app=who")["items"]
    return {pod["spec"]["nodeName"]: pod["metadata"]["name"] for pod in pods}


def who_answers(cluster: Cluster, namespace: str, client: str, url: str) -> set[str]:
    """The pods that answer a client in another pod, which asks more often than there are pods."""
    loop = f"for i in 1 2 3 4 5 6 7; do curl -s {url}; done"
    said = cluster.run("kubectl", "exec", client, "-n", namespace, "--", "sh", "-c", loop, check=False).stdout
    return {line.partition(": ")[2] for line in said.splitlines() if line.startswith("Hostname")}


def test_a_client_keeps_to_its_node_where_the_service_says_so(
    cluster: Cluster, namespace: str, one_a_node: dict[str, str]
) -> None:
    def service(name: str, **spec: Any) -> None:
        spec |= {"selector": {"app": "who"}, "ports": [{"port": 80}]}
        document = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}
        cluster.kubectl("apply", "-n", namespace, "-f", "-", stdin=json.dumps(document))

    service("everywhere")
    service("here", internalTrafficPolicy="Local")
    service("near", trafficDistribution="PreferSameNode")
    everybody = set(one_a_node.values())
    assert len(everybody) == 3
    for name in ("everywhere", "here", "near"):
        until(
            "all endpoints are known",
            lambda name=name: (
                len(
                    cluster.json(
                        "get", "endpointslices", "-n", namespace, "-l", f"kubernetes.io/service-name={name}"
                    )["items"][0]["endpoints"]
                )
                == 3
            ),
        )
    for node, pod in one_a_node.items():
        until(
            "who is everywhere is asked in turn",
            lambda pod=pod: (
                who_answers(cluster, namespace, pod, f"http://everywhere.{namespace}") == everybody
            ),
        )
        for name in ("here", "near"):
            until(
                f"{name} is on {node}",
                lambda pod=pod, name=name: (
                    who_answers(cluster, namespace, pod, f"http://{name}.{namespace}") == {pod}
                ),
            )


def test_a_balancer_is_told_where_pods_are(
    cluster: Cluster, namespace: str, one_a_node: dict[str, str]
) -> None:
    spec = {
        "type": "LoadBalancer",
        "externalTrafficPolicy": "Local",
        "loadBalancerSourceRanges": ["127.250.1.0/24"],
        "selector": {"app": "who"},
        "ports": [{"port": 80}],
    }
    document = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "who"}, "spec": spec}
    cluster.kubectl("apply", "-n", namespace, "-f", "-", stdin=json.dumps(document))
    address = "{.status.loadBalancer.ingress[0].ip}"
    cluster.kubectl("wait", "service/who", f"--for=jsonpath={address}", "-n", namespace)
    found = cluster.json("get", "service", "who", "-n", namespace)
    health, ip = found["spec"]["healthCheckNodePort"], found["status"]["loadBalancer"]["ingress"][0]["ip"]
    nodes = {
        node["metadata"]["name"]: node["status"]["addresses"][0]["address"]
        for node in cluster.json("get", "nodes")["items"]
    }
    without, *others = nodes

    def counts() -> dict[str, int]:
        return {name: health_of(f"http://{ip}:{health}/healthz") for name, ip in nodes.items()}

    until("each has one", lambda: counts() == dict.fromkeys(nodes, 1))
    until("who is in the range is served", lambda: status(ip, WEB, "127.250.1.9") == OK)
    assert "ConnectionReset" in status(ip, WEB, "127.250.2.9")
    # Nobody makes another one.
    cluster.kubectl("delete", "daemonset", "who", "--cascade=orphan", "-n", namespace)
    cluster.kubectl("label", "pod", one_a_node[without], "app=other", "--overwrite", "-n", namespace)
    until("one has none", lambda: counts() == {without: 0} | dict.fromkeys(others, 1))


def health_of(url: str) -> int:
    """How many endpoints a node says that it has; the status says the same."""
    try:
        with urllib.request.urlopen(url) as answer:
            code, document = answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        code, document = error.code, json.load(error)
    except OSError:
        return -1
    count = int(document["localEndpoints"])
    assert (code == 200) == (count > 0)
    return count


def test_a_service_without_pods_refuses_and_one_that_is_deleted_goes(
    cluster: Cluster, namespace: str, web: Any
) -> None:
    address = web["spec"]["clusterIP"]
    cluster.kubectl("scale", "deployment/web", "--replicas=0", "-n", namespace)
    until("clients are refused", lambda: "ConnectionRefused" in status(address, WEB))
    cluster.kubectl("scale", "deployment/web", "--replicas=1", "-n", namespace)
    until("clients are served again", lambda: status(address, WEB) == OK)
    cluster.kubectl("delete", "service", "web", "-n", namespace)
    until("nobody listens", lambda: "ConnectionRefused" in status(address, WEB))
    until("its slices went", lambda: "web" not in cluster.kubectl("get", "endpointslices", "-n", namespace))
    until("its Endpoints went", lambda: "web" not in cluster.kubectl("get", "endpoints", "-n", namespace))


def test_a_load_balancer_gets_an_address_and_gives_it_back(cluster: Cluster, namespace: str) -> None:
    here, given = ("-n", namespace), []
    cluster.kubectl("create", "deployment", "web", "--image=nginx", *here)
    for name in ("one", "other"):
        cluster.kubectl(
            "expose", "deployment", "web", "--port=80", "--type=LoadBalancer", f"--name={name}", *here
        )
    for name in ("one", "other"):
        address = "{.status.loadBalancer.ingress[0].ip}"
        cluster.kubectl("wait", f"service/{name}", f"--for=jsonpath={address}", *here)
        given.append(cluster.kubectl("get", "service", name, "-o", f"jsonpath={address}", *here))
        row = cluster.kubectl("get", "service", name, *here).splitlines()[1].split()
        assert (row[1], row[3]) == ("LoadBalancer", given[-1])
    assert given[0] != given[1]
    network = ip_network(cluster.layout.load_balancer_cidr)
    assert all(ip_address(each) in network for each in given)
    for each in given:
        until(f"{each} answers", lambda each=each: status(each, WEB) == OK)
    cluster.kubectl("patch", "service", "other", "-p", '{"spec": {"type": "ClusterIP"}}', *here)
    until(
        "it has none",
        lambda: cluster.json("get", "service", "other", *here)["status"] == {"loadBalancer": {}},
    )
    until("nobody answers there", lambda: "ConnectionRefused" in status(given[1], WEB))
    # It waits until the Service is gone, so until its finalizer is.
    cluster.kubectl("delete", "service", "one", *here)
    asked = json.dumps({"spec": {"type": "LoadBalancer", "loadBalancerIP": given[0]}})
    cluster.kubectl("patch", "service", "other", "-p", asked, *here)
    cluster.kubectl("wait", "service/other", f"--for=jsonpath={address}={given[0]}", *here)


def test_the_kubernetes_service_reaches_the_api(cluster: Cluster) -> None:
    service = cluster.json("get", "service", "kubernetes", "-n", "default")
    assert [port["port"] for port in service["spec"]["ports"]] == [443]
    context = ssl.create_default_context(cafile=str(cluster.layout.cert("ca")))
    url = f"https://{service['spec']['clusterIP']}:{bindable(443)}/version"

    def version() -> Any:
        try:
            with urllib.request.urlopen(url, context=context) as answer:
                return json.load(answer)
        except OSError:
            return None

    assert until("the API answers on the Service's address", version)["gitVersion"].startswith("v1.")


def test_the_proxy_comes_back_and_so_do_its_addresses(own_cluster: Cluster) -> None:
    cluster = own_cluster
    cluster.kubectl("create", "deployment", "web", "--image=nginx")
    cluster.kubectl("expose", "deployment", "web", "--port=80")
    address = cluster.json("get", "service", "web")["spec"]["clusterIP"]
    until("the Service answers", lambda: status(address, WEB) == OK)
    before = cluster.kill("proxy-0")
    until("another proxy runs", lambda: cluster.running().get("proxy-0", before) != before)
    until("the Service answers again", lambda: status(address, WEB) == OK)
    by_name = ("kubectl", "exec", "deploy/web", "--", "curl", "-s", "http://web")
    until("and so by its name", lambda: "Welcome" in cluster.run(*by_name, check=False).stdout)
