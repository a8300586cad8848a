"""What a node's kubelet may read and write: its own node, its own pods, and what those pods need."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from apiserver.authentication.user import known
from tests.support.api_server import Api, serving

NODES, SPACE = "/api/v1/nodes", "/api/v1/namespaces/default"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
MERGE, STRATEGIC = "application/merge-patch+json", "application/strategic-merge-patch+json"


def pod(name: str, node: str, **spec: Any) -> Any:
    return {
        "metadata": {"name": name},
        "spec": {"nodeName": node, "containers": [{"name": "c", "image": "i"}], **spec},
    }


def uses(name: str) -> Any:
    """A pod's spec that names objects in every way that counts."""
    return {
        "volumes": [
            {"name": "v", "secret": {"secretName": f"{name}-volume"}},
            {"name": "m", "projected": {"sources": [{"configMap": {"name": f"{name}-map"}}]}},
            {"name": "d", "persistentVolumeClaim": {"claimName": f"{name}-claim"}},
        ],
        "imagePullSecrets": [{"name": f"{name}-pull"}],
        "serviceAccountName": f"{name}-account",
    }


class Cluster:
    """The administrator's view, and a way to ask as a node."""

    def __init__(self, admin: Api, node: Api) -> None:
        self.admin, self.node = admin, node


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    """Nodes n1 and n2, a pod on each, and what the pods use; `node` is n1's kubelet."""
    async with serving() as admin:
        for each in ("n1", "n2"):
            await admin.ok("POST", NODES, {"metadata": {"name": each}})
            account = {"metadata": {"name": f"{each}-account"}}
            await admin.ok("POST", f"{SPACE}/serviceaccounts", account)
            for kind, name in (("secrets", "volume"), ("secrets", "pull"), ("configmaps", "map")):
                await admin.ok("POST", f"{SPACE}/{kind}", {"metadata": {"name": f"{each}-{name}"}})
            claim = {
                "metadata": {"name": f"{each}-claim"},
                "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
            }
            await admin.ok("POST", f"{SPACE}/persistentvolumeclaims", claim)
            volume = {
                "metadata": {"name": f"{each}-pv"},
                "spec": {
                    "accessModes": ["ReadWriteOnce"],
                    "capacity": {"storage": "1Gi"},
                    "hostPath": {"path": "/x"},
                    "claimRef": {"namespace": "default", "name": f"{each}-claim"},
                },
            }
            await admin.ok("POST", "/api/v1/persistentvolumes", volume)
            await admin.ok("POST", f"{SPACE}/pods", pod(f"{each}-pod", each, **uses(each)))
        kubelet = known("system:node:n1", ("system:nodes",))
        async with serving(admin.server.storage, kubelet) as node:
            yield Cluster(admin, node)


READS = (
    "{0}/secrets/{1}-volume",
    "{0}/secrets/{1}-pull",
    "{0}/configmaps/{1}-map",
    "{0}/configmaps?fieldSelector=metadata.name%3D{1}-map",
    "{0}/persistentvolumeclaims/{1}-claim",
    "/api/v1/persistentvolumes/{1}-pv",
    "/api/v1/nodes/{1}",
    "/api/v1/nodes?fieldSelector=metadata.name%3D{1}",
    "{0}/pods/{1}-pod",
    "/api/v1/pods?fieldSelector=spec.nodeName%3D{1}",
)


@pytest.mark.parametrize("path", READS)
async def test_a_node_reads_what_concerns_it_and_nothing_of_another(cluster: Cluster, path: str) -> None:
    assert (await cluster.node("GET", path.format(SPACE, "n1"))).code == 200
    refused = await cluster.node("GET", path.format(SPACE, "n2"))
    assert (refused.code, "system:node:n1" in refused.json["message"]) == (403, True)


async def test_refusals_say_why(cluster: Cluster) -> None:
    secret = (await cluster.node("GET", f"{SPACE}/secrets/n2-volume")).json["message"]
    assert secret == (
        'secrets "n2-volume" is forbidden: User "system:node:n1" cannot get resource "secrets" in API '
        'group "" in the namespace "default": '
        "no relationship found between node 'n1' and this object"
    )
    everything = (await cluster.node("GET", "/api/v1/pods")).json["message"]
    assert everything.endswith("can only list/watch pods with spec.nodeName field selector")
    assert (
        (await cluster.node("GET", "/api/v1/secrets"))
        .json["message"]
        .endswith("can only read namespaced object of this type")
    )
    nodes = (await cluster.node("GET", NODES)).json["message"]
    assert nodes.endswith("node 'n1' cannot read all nodes, only its own Node object")


async def test_who_says_he_is_a_node_but_not_which_may_nothing(cluster: Cluster) -> None:
    async with serving(cluster.admin.server.storage, known("bob", ("system:nodes",))) as bob:
        refused = await bob("GET", f"{SPACE}/secrets/n1-volume")
        assert refused.json["message"].endswith('unknown node for user "bob"')


async def test_what_a_pod_needs_is_readable_while_the_pod_is_there(cluster: Cluster) -> None:
    await cluster.admin.ok("POST", f"{SPACE}/secrets", {"metadata": {"name": "late"}})
    assert (await cluster.node("GET", f"{SPACE}/secrets/late")).code == 403
    environment = [{"secretRef": {"name": "late"}}]
    late = pod("late", "n1", containers=[{"name": "c", "image": "i", "envFrom": environment}])
    await cluster.admin.ok("POST", f"{SPACE}/pods", late)
    assert (await cluster.node("GET", f"{SPACE}/secrets/late")).code == 200
    await cluster.admin.ok("DELETE", f"{SPACE}/pods/late?gracePeriodSeconds=0")
    await cluster.node.server.cache.consistent()
    assert (await cluster.node("GET", f"{SPACE}/secrets/late")).code == 403


async def test_a_mirror_pod_opens_no_secret(cluster: Cluster) -> None:
    await cluster.admin.ok("POST", f"{SPACE}/secrets", {"metadata": {"name": "wanted"}})
    mirror = pod("mirror", "n1", imagePullSecrets=[{"name": "wanted"}])
    mirror["metadata"]["annotations"] = {"kubernetes.io/config.mirror": "x"}
    await cluster.admin.ok("POST", f"{SPACE}/pods", mirror)
    assert (await cluster.node("GET", f"{SPACE}/secrets/wanted")).code == 403
    refused = await cluster.node(
        "POST", f"{SPACE}/pods", {**mirror, "metadata": mirror["metadata"] | {"name": "m2"}}
    )
    assert refused.json["message"] == (
        'pods "m2" is forbidden: node "n1" can only create pods with an owner reference set to itself'
    )


async def test_a_node_shows_its_static_pods(cluster: Cluster) -> None:
    plain = await cluster.node("POST", f"{SPACE}/pods", pod("own", "n1"))
    assert plain.json["message"] == (
        'pods "own" is forbidden: pod does not have "kubernetes.io/config.mirror" annotation, '
        'node "n1" can only create mirror pods'
    )
    uid = (await cluster.admin.ok("GET", f"{NODES}/n1"))["metadata"]["uid"]
    owner = {"apiVersion": "v1", "kind": "Node", "name": "n1", "uid": uid, "controller": True}
    mirror = pod("static-n1", "n1")
    mirror["metadata"] |= {"annotations": {"kubernetes.io/config.mirror": "x"}, "ownerReferences": [owner]}
    await cluster.node.ok("POST", f"{SPACE}/pods", mirror)
    for spec, what in (
        ({"imagePullSecrets": [{"name": "s"}]}, "secrets"),
        ({"serviceAccountName": "default"}, "a service account"),
        ({"nodeName": "n2"}, "spec.nodeName set to itself"),
    ):
        other = {**mirror, "metadata": mirror["metadata"] | {"name": "o"}, "spec": mirror["spec"] | spec}
        refused = await cluster.node("POST", f"{SPACE}/pods", other)
        assert (refused.code, refused.json["message"].endswith(what)) == (403, True)


async def test_a_node_writes_the_status_of_its_own_pods(cluster: Cluster) -> None:
    running = {"status": {"phase": "Running"}}
    await cluster.node.ok("PATCH", f"{SPACE}/pods/n1-pod/status", running, STRATEGIC)
    refused = await cluster.node("PATCH", f"{SPACE}/pods/n2-pod/status", running, STRATEGIC)
    assert refused.json["message"] == (
        'pods "n2-pod" is forbidden: node "n1" can only update pod status for pods with spec.nodeName '
        "set to itself"
    )
    label = {"metadata": {"labels": {"app": "mine"}}}
    refused = await cluster.node("PATCH", f"{SPACE}/pods/n1-pod/status", label, STRATEGIC)
    assert refused.json["message"].endswith('node "n1" cannot update labels through pod status')
    assert (await cluster.node("PATCH", f"{SPACE}/pods/n1-pod", label, MERGE)).code == 403


async def test_a_node_deletes_and_evicts_its_own_pods(cluster: Cluster) -> None:
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "n2-pod"}}
    refused = await cluster.node("POST", f"{SPACE}/pods/n2-pod/eviction", eviction)
    assert refused.json["message"].endswith("node n1 can only evict pods with spec.nodeName set to itself")
    refused = await cluster.node("DELETE", f"{SPACE}/pods/n2-pod")
    assert refused.json["message"].endswith('node "n1" can only delete pods with spec.nodeName set to itself')
    await cluster.node.ok("DELETE", f"{SPACE}/pods/n1-pod?gracePeriodSeconds=0")


async def test_a_node_writes_its_own_node_within_limits(cluster: Cluster) -> None:
    ready = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
    await cluster.node.ok("PATCH", f"{NODES}/n1/status", ready, STRATEGIC)
    refused = await cluster.node("PATCH", f"{NODES}/n2/status", ready, STRATEGIC)
    assert refused.json["message"] == (
        'nodes "n2" is forbidden: node "n1" is not allowed to modify node "n2"'
    )
    for label, code in (
        ("node.kubernetes.io/instance-type", 200),
        ("example.com/any", 200),
        ("kubelet.kubernetes.io/any", 200),
        ("kubernetes.io/role", 403),
        ("node-role.kubernetes.io/control-plane", 403),
        ("node-restriction.kubernetes.io/pci", 403),
    ):
        patch = {"metadata": {"labels": {label: "x"}}}
        answer = await cluster.node("PATCH", f"{NODES}/n1", patch, MERGE)
        assert (label, answer.code) == (label, code)
    untainted = {"spec": {"taints": None}}
    refused = await cluster.node("PATCH", f"{NODES}/n1", untainted, MERGE)
    assert refused.json["message"].endswith('node "n1" is not allowed to modify taints')
    assert (await cluster.node("DELETE", f"{NODES}/n1")).code == 403


async def test_a_node_keeps_its_own_lease(cluster: Cluster) -> None:
    await cluster.node.ok("POST", LEASES, {"metadata": {"name": "n1"}})
    refused = await cluster.node("POST", LEASES, {"metadata": {"name": "n2"}})
    assert refused.json["message"].endswith(
        "can only access node lease with the same name as the requesting node"
    )
    elsewhere = LEASES.replace("kube-node-lease", "kube-system")
    refused = await cluster.node("GET", f"{elsewhere}/kube-controller-manager")
    assert refused.json["message"].endswith(
        'can only access leases in the "kube-node-lease" system namespace'
    )


async def test_a_node_gets_tokens_for_its_own_pods_alone(cluster: Cluster) -> None:
    uids = {
        each: (await cluster.admin.ok("GET", f"{SPACE}/pods/{each}-pod"))["metadata"]["uid"]
        for each in ("n1", "n2")
    }

    async def ask(account: str, bound: Any) -> Any:
        path = f"{SPACE}/serviceaccounts/{account}/token"
        spec = {"spec": {"boundObjectRef": bound} if bound else {}}
        return await cluster.node("POST", path, spec)

    def bound(name: str, uid: str) -> Any:
        return {"apiVersion": "v1", "kind": "Pod", "name": name, "uid": uid}

    assert (await ask("n1-account", bound("n1-pod", uids["n1"]))).code == 201
    for account, to, why in (
        (
            "n2-account",
            bound("n2-pod", uids["n2"]),
            "no relationship found between node 'n1' and this object",
        ),
        ("n1-account", None, "node requested token not bound to a pod"),
        ("n1-account", bound("n1-pod", ""), "node requested token with a pod binding without a uid"),
        (
            "n1-account",
            bound("n2-pod", uids["n2"]),
            "node requested token bound to a pod scheduled on a different node",
        ),
        (
            "n1-account",
            bound("n1-pod", "other"),
            "The object might have been deleted and then recreated",
        ),
    ):
        refused = await ask(account, to)
        assert (refused.code, refused.json["message"][-len(why) :]) == (403, why)


async def test_reviews_know_what_nodes_may(cluster: Cluster) -> None:
    async def allowed(**attributes: Any) -> Any:
        spec = {"user": "system:node:n1", "groups": ["system:nodes"], "resourceAttributes": attributes}
        review = await cluster.admin.ok("POST", REVIEWS, {"spec": spec})
        return review["status"]

    secret = {"verb": "get", "resource": "secrets", "namespace": "default"}
    assert await allowed(**secret, name="n1-volume") == {"allowed": True}
    assert await allowed(**secret, name="n2-volume") == {
        "allowed": False,
        "reason": "no relationship found between node 'n1' and this object",
    }
    rules = {"spec": {"namespace": "default"}}
    own = await cluster.node.ok("POST", REVIEWS.replace("subjectaccess", "selfsubjectrules"), rules)
    assert own["status"]["evaluationError"] == "node authorizer does not support user rule resolution"
    pods = {"verb": "list", "resource": "pods"}
    requirements = [{"key": "spec.nodeName", "operator": "In", "values": ["n1"]}]
    assert not (await allowed(**pods))["allowed"]
    assert (await allowed(**pods, fieldSelector={"requirements": requirements}))["allowed"]
