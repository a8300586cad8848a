"""Admission plug-ins of a few lines each: what they fill in and what they refuse, in Kubernetes' words."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from kube.api import tolerations
from tests.support.api_server import Api, serving

SPACE = "/api/v1/namespaces/default"
NETWORKING = "/apis/networking.k8s.io/v1"
CLASSES = "/apis/node.k8s.io/v1/runtimeclasses"
REQUESTS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
STORAGE_CLASSES = "/apis/storage.k8s.io/v1/storageclasses"
MERGE = "application/merge-patch+json"


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    async with serving() as running:
        yield running


async def made(api: Api, path: str, name: str, **parts: Any) -> Any:
    """An object that the next request sees."""
    o = await api.ok("POST", path, {"metadata": {"name": name, **parts.pop("metadata", {})}, **parts})
    await api.server.cache.consistent()
    return o


async def refusal(api: Api, method: str, path: str, o: Any, content_type: str = MERGE, **headers: str) -> str:
    answer = await api(method, path, o, "application/json" if method == "POST" else content_type, **headers)
    assert (answer.code, answer.json["reason"]) == (403, "Forbidden"), answer.body
    _, _, why = answer.json["message"].partition(" is forbidden: ")
    return str(why)


async def test_an_ingress_without_a_class_gets_the_default_one(api: Api) -> None:
    async def class_of(name: str, **parts: Any) -> Any:
        spec = {"defaultBackend": {"service": {"name": "s", "port": {"number": 80}}}, **parts.pop("spec", {})}
        o = await made(api, f"{NETWORKING}/namespaces/default/ingresses", name, spec=spec, **parts)
        return o["spec"].get("ingressClassName")

    assert await class_of("before") is None
    marked = {"annotations": {"ingressclass.kubernetes.io/is-default-class": "true"}}
    for name, metadata in (("b", marked), ("a", marked), ("other", {})):
        await made(api, f"{NETWORKING}/ingressclasses", name, metadata=metadata, spec={"controller": "a.b/c"})
    assert await class_of("silent") == await class_of("again")
    assert await class_of("third") in ("a", "b")
    assert await class_of("named", spec={"ingressClassName": "other"}) == "other"
    assert await class_of("old", metadata={"annotations": {"kubernetes.io/ingress.class": "nginx"}}) is None


def pod(name: str, **spec: Any) -> Any:
    return {"metadata": {"name": name}, "spec": {"containers": [{"name": "c", "image": "i"}], **spec}}


async def test_a_pod_gets_what_its_runtime_class_says(api: Api) -> None:
    taint = {"key": "kata", "operator": "Exists", "effect": "NoSchedule"}
    scheduling = {"nodeSelector": {"runtime": "kata"}, "tolerations": [taint]}
    overhead = {"podFixed": {"cpu": "250m", "memory": "120Mi"}}
    await made(api, CLASSES, "kata", handler="kata", scheduling=scheduling, overhead=overhead)
    await made(api, CLASSES, "plain", handler="runc")

    spec = (await api.ok("POST", f"{SPACE}/pods", pod("a", runtimeClassName="kata")))["spec"]
    assert (spec["overhead"], spec["nodeSelector"]) == (overhead["podFixed"], {"runtime": "kata"})
    assert taint in spec["tolerations"]
    same = {"cpu": "0.25", "memory": "120Mi"}
    more = pod("b", runtimeClassName="kata", nodeSelector={"disk": "ssd"}, overhead=same)
    spec = (await api.ok("POST", f"{SPACE}/pods", more))["spec"]
    assert spec["nodeSelector"] == {"disk": "ssd", "runtime": "kata"}
    spec = (await api.ok("POST", f"{SPACE}/pods", pod("c", runtimeClassName="plain")))["spec"]
    assert ("overhead" in spec, "nodeSelector" in spec) == (False, False)

    async def why(**spec: Any) -> str:
        return await refusal(api, "POST", f"{SPACE}/pods", pod("p", **spec))

    assert await why(runtimeClassName="none") == 'pod rejected: RuntimeClass "none" not found'
    assert await why(runtimeClassName="kata", overhead={"cpu": "1"}) == (
        "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead"
    )
    alone = "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead"
    assert await why(overhead={"cpu": "1"}) == alone
    assert await why(runtimeClassName="plain", overhead={"cpu": "1"}) == alone
    assert await why(runtimeClassName="kata", nodeSelector={"runtime": "runc"}) == (
        "conflict: runtimeClass.scheduling.nodeSelector[runtime] = kata; "
        "pod.spec.nodeSelector[runtime] = runc"
    )


@pytest.mark.parametrize(
    ("first", "second", "both"),
    [
        ([], [{"key": "a"}], [{"key": "a"}]),
        ([{"key": "a"}], [{"key": "a"}], [{"key": "a"}]),
        ([{"key": "a", "operator": "Equal", "value": "x"}], [{"key": "a", "operator": "Exists"}], "second"),
        ([{"operator": "Exists"}], [{"key": "a", "operator": "Equal", "value": "x"}], "first"),
        (
            [{"key": "a", "operator": "Exists", "effect": "NoExecute"}],
            [{"key": "a", "operator": "Exists"}],
            "second",
        ),
        (
            [{"key": "a", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5}],
            [{"key": "a", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 9}],
            "second",
        ),
        (
            [{"key": "a", "operator": "Exists", "effect": "NoExecute"}],
            [{"key": "a", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 9}],
            "first",
        ),
        ([{"key": "a", "operator": "Exists"}], [{"key": "b", "operator": "Exists"}], "both"),
        (
            [{"key": "a", "operator": "Equal", "value": "x"}],
            [{"key": "a", "operator": "Equal", "value": "y"}],
            "both",
        ),
    ],
)
def test_a_toleration_that_another_includes_is_left_out(first: Any, second: Any, both: Any) -> None:
    expected = {"first": first, "second": second, "both": first + second}.get(str(both), both)
    assert tolerations.merged(first, second) == expected


def request(
    organization: str = "team", signer: str = "kubernetes.io/kube-apiserver-client"
) -> dict[str, Any]:
    key = ec.generate_private_key(ec.SECP256R1())
    names = [(NameOID.COMMON_NAME, "bob"), (NameOID.ORGANIZATION_NAME, organization)]
    subject = x509.Name([x509.NameAttribute(*each) for each in names])
    signed = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    text = base64.b64encode(signed.public_bytes(serialization.Encoding.PEM)).decode()
    return {"spec": {"request": text, "signerName": signer, "usages": ["client auth"]}}


async def may(api: Api, user: str, *rules: tuple[str, str, list[str]]) -> None:
    """Give a user verbs on resources of certificates."""
    parts = [
        {"apiGroups": ["certificates.k8s.io"], "verbs": [verb], "resources": [plural], "resourceNames": names}
        for verb, plural, names in rules
    ]
    await made(api, f"{RBAC}/clusterroles", user, rules=parts)
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": user}
    subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}
    await made(api, f"{RBAC}/clusterrolebindings", user, roleRef=role, subjects=[subject])


APPROVED = {"type": "Approved", "status": "True", "reason": "r", "message": "m"}
FAILED = {"type": "Failed", "status": "True", "reason": "r", "message": "m"}


async def test_a_verdict_and_a_certificate_need_the_signers_consent(api: Api) -> None:
    doors = [
        (verb, f"certificatesigningrequests/{door}", [])
        for verb in ("patch",)
        for door in ("approval", "status")
    ]
    await may(api, "writer", *doors)
    await may(api, "approver", *doors, ("approve", "signers", ["kubernetes.io/*"]))
    await may(api, "signer", *doors, ("sign", "signers", ["kubernetes.io/kube-apiserver-client"]))
    await made(api, REQUESTS, "r", **request())
    await made(api, REQUESTS, "foreign", **request(signer="example.com/s"))

    verdict, failure = ({"status": {"conditions": [each]}} for each in (APPROVED, FAILED))
    path = f"{REQUESTS}/r/approval"
    for user in ("writer", "signer"):
        assert await refusal(api, "PATCH", path, verdict, Impersonate_User=user) == (
            'user not permitted to approve requests with signerName "kubernetes.io/kube-apiserver-client"'
        )
    await api.ok("PATCH", path, verdict, MERGE, Impersonate_User="approver")
    assert await refusal(
        api, "PATCH", f"{REQUESTS}/foreign/approval", verdict, Impersonate_User="approver"
    ) == ('user not permitted to approve requests with signerName "example.com/s"')

    path, failure = f"{REQUESTS}/r/status", {"status": {"conditions": [APPROVED, FAILED]}}
    assert await refusal(api, "PATCH", path, failure, Impersonate_User="approver") == (
        'user not permitted to sign requests with signerName "kubernetes.io/kube-apiserver-client"'
    )
    await api.ok("PATCH", path, failure, MERGE, Impersonate_User="signer")
    same = {"metadata": {"labels": {"a": "b"}}}
    await api.ok("PATCH", path, same, MERGE, Impersonate_User="writer")


async def test_nobody_asks_for_a_certificate_of_masters(api: Api) -> None:
    masters = {"metadata": {"name": "m"}, **request("system:masters")}
    assert await refusal(api, "POST", REQUESTS, masters) == (
        "use of kubernetes.io/kube-apiserver-client signer with system:masters group is not allowed"
    )
    await made(api, REQUESTS, "other", **request("system:masters", "example.com/s"))


async def test_a_claim_grows_where_its_class_lets_it(api: Api) -> None:
    for name, grows in (("fixed", {}), ("elastic", {"allowVolumeExpansion": True})):
        await made(api, STORAGE_CLASSES, name, provisioner="p", **grows)
        spec = {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}},
            "storageClassName": name,
            "volumeName": "v",
        }
        await made(api, f"{SPACE}/persistentvolumeclaims", name, spec=spec)
    grown = {"spec": {"resources": {"requests": {"storage": "2Gi"}}}}
    path = f"{SPACE}/persistentvolumeclaims"
    bound = {"status": {"phase": "Bound", "capacity": {"storage": "1Gi"}}}
    for name in ("fixed", "elastic"):
        await api.ok("PATCH", f"{path}/{name}/status", bound, MERGE)
    assert await refusal(api, "PATCH", f"{path}/fixed", grown) == (
        "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc "
        "must support resize"
    )
    o = await api.ok("PATCH", f"{path}/elastic", grown, MERGE)
    assert o["spec"]["resources"]["requests"]["storage"] == "2Gi"
    same = {"spec": {"resources": {"requests": {"storage": "1024Mi"}}}}
    await api.ok("PATCH", f"{path}/fixed", same, MERGE)


async def test_a_pod_bears_zone_and_region_of_its_node(api: Api) -> None:
    zone, region = "topology.kubernetes.io/zone", "topology.kubernetes.io/region"
    labels = {zone: "z", region: "r", "other": "o"}
    await made(api, "/api/v1/nodes", "n", metadata={"labels": labels})
    placed = await api.ok("POST", f"{SPACE}/pods", pod("placed", nodeName="n"))
    assert placed["metadata"]["labels"] == {zone: "z", region: "r"}
    waiting = pod("waiting")
    waiting["metadata"]["labels"] = {zone: "elsewhere", "app": "a"}
    await api.ok("POST", f"{SPACE}/pods", waiting)
    binding = {"metadata": {"name": "waiting"}, "target": {"kind": "Node", "name": "n"}}
    await api.ok("POST", f"{SPACE}/pods/waiting/binding", binding)
    bound = await api.ok("GET", f"{SPACE}/pods/waiting")
    assert bound["metadata"]["labels"] == {zone: "z", region: "r", "app": "a"}
    unknown = await api.ok("POST", f"{SPACE}/pods", pod("unknown", nodeName="none"))
    assert "labels" not in unknown["metadata"]


async def test_a_pod_asks_for_no_more_than_its_node_has(api: Api) -> None:
    async def node(name: str, system: str) -> None:
        await made(api, "/api/v1/nodes", name, metadata={"labels": {"kubernetes.io/os": system}})
        status = {"allocatable": {"cpu": "2", "memory": "1Gi"}}
        await api.ok("PATCH", f"/api/v1/nodes/{name}/status", {"status": status}, MERGE)
        await api.server.cache.consistent()

    async def running(name: str, node: str) -> str:
        o = pod(name, nodeName=node)
        o["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "100m"}}
        await api.ok("POST", f"{SPACE}/pods", o)
        return f"{SPACE}/pods/{name}/resize"

    def asking(**requests: str) -> Any:
        return {"spec": {"containers": [{"name": "c", "resources": {"requests": requests}}]}}

    strategic = "application/strategic-merge-patch+json"
    await node("n", "linux")
    path = await running("p", "n")
    await api.ok("PATCH", path, asking(cpu="2", memory="1Gi"), strategic)
    answer = await api("PATCH", path, asking(cpu="2500m", memory="2Gi"), strategic)
    assert answer.json["message"] == (
        'pods "p" is forbidden: Node didn\'t have enough allocatable resources: '
        "cpu, requested: 2500, allocatable: 2000; memory, requested: 2147483648, allocatable: 1073741824"
    )
    assert answer.json["details"]["causes"] == [{"reason": "NodeCapacity"}]
    await node("w", "windows")
    assert await refusal(api, "PATCH", await running("q", "w"), asking(cpu="1"), strategic) == (
        'pod resize is only supported on linux nodes, node "w" is "windows"'
    )
    assert await refusal(api, "PATCH", await running("r", "gone"), asking(cpu="1"), strategic) == (
        'node "gone" not found'
    )
    await api.ok("PATCH", await running("s", ""), asking(cpu="9"), strategic)
