"""The volumes of pods on a node: real files, the real API server; containers are pretended, and see them."""

from __future__ import annotations

import base64
import json
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

from kube.api import meta
from kube.base.tasks import Tasks
from kubelet.volumes.objects import PodObjects
from tests.kubelet.conftest import TestNode, running_node
from tests.support.api_server import Api
from tests.support.in_process import client_of
from tests.support.wait import until_async

MAPS = "/api/v1/namespaces/default/configmaps"
SECRETS = "/api/v1/namespaces/default/secrets"
TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount"
MERGE = "application/merge-patch+json"


def container(*mounts: Any, **more: Any) -> dict[str, Any]:
    return {"name": "c", "image": "nginx", "volumeMounts": list(mounts), **more}


async def mapped(api: Api, name: str, **data: str) -> None:
    await api.ok("POST", MAPS, {"metadata": {"name": name}, "data": data})


def names(folder: Path) -> list[str]:
    """What is in a folder."""
    return sorted(each.name for each in folder.iterdir())


async def run(node: TestNode, name: str, volumes: Any = (), *mounts: Any, **more: Any) -> Any:
    """A pod that mounts its volumes, running."""
    container_more = more.pop("container", {})
    found = [container(*mounts, **container_more)]
    await node.create(name, containers=found, volumes=list(volumes), **more)
    return await node.wait(name, "Running")


async def said(node: TestNode, pod: Any, *command: str) -> str:
    """What a command in the pod's container says."""
    latest = node.runtime.containers_of(meta.uid(pod))[-1]
    result = await node.runtime.exec_sync(latest.id, command, 60)
    return result.output.decode()


async def until_said(node: TestNode, pod: Any, text: str, *command: str) -> None:
    async def check() -> bool:
        return await said(node, pod, *command) == text

    await until_async(f"{' '.join(command)} says {text!r}", check)


async def waiting(node: TestNode, name: str, reason: str) -> str:
    """The message, once the container waits for that reason."""

    async def check() -> str | None:
        pod = await node.get(name)
        state = meta.get(pod, "status", "containerStatuses", 0, "state", "waiting", default={})
        return state.get("message", " ") if state.get("reason") == reason else None

    return str(await until_async(f"{name} waits: {reason}", check))


async def test_a_config_volume_follows_its_map(node: TestNode) -> None:
    await mapped(node.api, "m", a="1", b="2")
    volumes = [{"name": "v", "configMap": {"name": "m"}}]
    pod = await run(node, "p", volumes, {"name": "v", "mountPath": "/etc/v"})
    assert (await said(node, pod, "ls", "/etc/v")).split() == ["a", "b"]
    folder = node.pods_dir / meta.uid(pod) / "volumes/kubernetes.io~configmap/v"
    assert os.readlink(folder / "a") == "..data/a"
    await node.api.ok("PATCH", f"{MAPS}/m", {"data": {"a": "one", "b": None, "c": "3"}}, MERGE)
    await until_said(node, pod, "one", "cat", "/etc/v/a")
    assert names(folder / "..data") == ["a", "c"]
    assert len([each for each in names(folder) if each.startswith("..2")]) == 1
    assert not (folder / "b").is_symlink()


async def test_a_pod_waits_for_what_its_volumes_need(node: TestNode) -> None:
    volumes = [{"name": "v", "configMap": {"name": "late"}}]
    mount = {"name": "v", "mountPath": "/etc/v"}
    await node.create("p", containers=[container(mount)], volumes=volumes)
    text = 'MountVolume.SetUp failed for volume "v" : configmap "late" not found'
    assert await node.events("p", 1) == [f"FailedMount: {text}"]
    await waiting(node, "p", "ContainerCreating")
    await mapped(node.api, "late", k="here")
    pod = await node.wait("p", "Running")
    assert await said(node, pod, "cat", "/etc/v/k") == "here"


async def test_objects_are_watched_while_pods_use_them(api: Api) -> None:
    heard: list[str] = []
    constant = {"metadata": {"name": "constant"}, "data": {"k": "1"}, "immutable": True}
    await api.ok("POST", MAPS, constant)
    client = client_of(api, "kubelet")
    async with Tasks() as tasks:
        objects = PodObjects(client, tasks)
        objects.on_change(heard.append)
        objects.hold("u1", "default", [("ConfigMap", "m"), ("ConfigMap", "constant")])
        objects.hold("u2", "default", [("ConfigMap", "m")])
        await until_async("the immutable one is left", lambda: objects.watch_count == 1)
        assert await objects.get("default", ("ConfigMap", "constant"))
        assert await objects.get("default", ("ConfigMap", "m")) is None
        await mapped(api, "m", k="1")
        await until_async("both hear", lambda: sorted(heard) == ["u1", "u1", "u2"])
        objects.release("u1")
        assert objects.watch_count == 1
        objects.release("u2")
        await until_async("nobody watches", lambda: objects.watch_count == 0)
    await client.close()


async def test_secrets_have_their_modes_and_items(node: TestNode) -> None:
    secret = {"metadata": {"name": "s"}, "stringData": {"user": "u", "key": "k"}}
    await node.api.ok("POST", SECRETS, secret)
    items = [{"key": "key", "path": "deep/id", "mode": 0o400}]
    source = {"secretName": "s", "items": items, "defaultMode": 0o600}
    volumes = [{"name": "v", "secret": source}]
    pod = await run(node, "p", volumes, {"name": "v", "mountPath": "/v"})
    path = node.pods_dir / meta.uid(pod) / "volumes/kubernetes.io~secret/v/deep/id"
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("k", 0o400)


async def test_a_token_of_the_pod_is_replaced_before_it_ends(node: TestNode) -> None:
    pod = await run(node, "p")
    assert await said(node, pod, "cat", f"{TOKEN}/namespace") == "default"
    assert await said(node, pod, "cat", f"{TOKEN}/ca.crt") == "authority"
    first = await said(node, pod, "cat", f"{TOKEN}/token")
    body = first.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    assert claims["sub"] == "system:serviceaccount:default:default"
    assert claims["kubernetes.io"]["pod"]["uid"] == meta.uid(pod)
    await node.volumes.refresh()
    assert await said(node, pod, "cat", f"{TOKEN}/token") == first
    node.tokens_clock.ahead = timedelta(seconds=3607 * 0.81)
    await node.volumes.refresh()
    assert await said(node, pod, "cat", f"{TOKEN}/token") != first


async def test_labels_are_followed(node: TestNode) -> None:
    item = {"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}
    volumes = [{"name": "v", "downwardAPI": {"items": [item]}}]
    pod = await run(node, "p", volumes, {"name": "v", "mountPath": "/v"})
    change = {"metadata": {"labels": {"b": "2", "a": "1"}}}
    await node.api.ok("PATCH", "/api/v1/namespaces/default/pods/p", change, MERGE)
    await until_said(node, pod, 'a="1"\nb="2"', "cat", "/v/labels")


async def test_a_returning_kubelet_keeps_volumes_and_follows_them(api: Api, tmp_path: Path) -> None:
    await mapped(api, "m", k="old")
    volumes = [{"name": "e", "emptyDir": {}}, {"name": "v", "configMap": {"name": "m"}}]
    mounts = {"name": "e", "mountPath": "/e"}, {"name": "v", "mountPath": "/v"}
    async with running_node(api, tmp_path) as node:
        pod = await run(node, "p", volumes, *mounts)
        kept = node.pods_dir / meta.uid(pod) / "volumes/kubernetes.io~empty-dir/e/kept"
        kept.write_text("kept")
        (node.pods_dir / "nobody" / "volumes").mkdir(parents=True)
    await api.ok("PATCH", f"{MAPS}/m", {"data": {"k": "new"}}, MERGE)
    async with running_node(api, tmp_path) as node:
        await until_said(node, pod, "new", "cat", "/v/k")
        assert await said(node, pod, "cat", "/e/kept") == "kept"
        await until_async("the orphan is gone", lambda: not (node.pods_dir / "nobody").exists())
        await node.delete("p")
        await node.wait_gone("p")
        folder = node.pods_dir / meta.uid(pod)
        await until_async("nothing is left", lambda: not folder.exists())


async def test_paths_of_the_node_are_what_they_should_be(node: TestNode, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    made, file = str(tmp_path / "made" / "deep"), str(tmp_path / "file")
    volumes = [
        {"name": "d", "hostPath": {"path": made, "type": "DirectoryOrCreate"}},
        {"name": "f", "hostPath": {"path": file, "type": "File"}},
    ]
    mounts = {"name": "d", "mountPath": "/d"}, {"name": "f", "mountPath": "/f"}
    pod = await run(node, "good", volumes, *mounts)
    assert await said(node, pod, "cat", "/f") == "x"
    assert names(tmp_path / "made") == ["deep"]
    volumes = [{"name": "d", "hostPath": {"path": file, "type": "Directory"}}]
    await node.create("bad", containers=[container(mounts[0])], volumes=volumes)
    text = f'volume "d" : hostPath type check failed: {file} is not a directory'
    assert await node.events("bad", 1) == [f"FailedMount: MountVolume.SetUp failed for {text}"]


async def test_a_claim_is_the_path_it_is_bound_to(node: TestNode, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("mine")
    size, modes = {"storage": "1Gi"}, ["ReadWriteOnce"]
    source = {"path": str(tmp_path)}
    spec = {"capacity": size, "accessModes": modes, "hostPath": source, "storageClassName": ""}
    await node.api.ok("POST", "/api/v1/persistentvolumes", {"metadata": {"name": "pv"}, "spec": spec})
    spec = {"accessModes": modes, "resources": {"requests": size}, "volumeName": "pv", "storageClassName": ""}
    claims = "/api/v1/namespaces/default/persistentvolumeclaims"
    await node.api.ok("POST", claims, {"metadata": {"name": "c"}, "spec": spec})
    volumes = [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]
    mount = {"name": "v", "mountPath": "/v"}
    await node.create("p", containers=[container(mount)], volumes=volumes)
    [event] = await node.events("p", 1)
    assert event.endswith("error processing PVC default/c: PVC is not bound")
    await node.api.ok("PATCH", f"{claims}/c/status", {"status": {"phase": "Bound"}}, MERGE)
    pod = await node.wait("p", "Running")
    assert await said(node, pod, "cat", "/v/data") == "mine"


async def test_variables_missing_and_found(node: TestNode) -> None:
    env = [{"name": "V", "valueFrom": {"configMapKeyRef": {"name": "m", "key": "k"}}}]
    more = {"env": env, "args": ["$(V)"]}
    await node.create("p", containers=[container(**more)])
    assert await waiting(node, "p", "CreateContainerConfigError") == 'configmap "m" not found'
    await mapped(node.api, "m", k="found")
    pod = await node.wait("p", "Running")
    assert await said(node, pod, "printenv", "V") == "found\n"
    assert (await said(node, pod, "printenv", "KUBERNETES_SERVICE_PORT")) == "443\n"


async def test_sub_paths_and_the_hosts_file(node: TestNode) -> None:
    volumes = [{"name": "e", "emptyDir": {}}]
    env = [{"name": "WHO", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]
    mount = {"name": "e", "mountPath": "/mine", "subPathExpr": "of-$(WHO)"}
    aliases = [{"ip": "10.1.2.3", "hostnames": ["db", "db.local"]}]
    more = {"hostAliases": aliases, "hostname": "web", "subdomain": "sub", "container": {"env": env}}
    pod = await run(node, "p", volumes, mount, **more)
    folder = node.pods_dir / meta.uid(pod) / "volumes/kubernetes.io~empty-dir/e/of-p"
    assert folder.stat().st_mode & 0o777 == 0o777
    hosts = await said(node, pod, "cat", "/etc/hosts")
    assert hosts.startswith("# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n")
    ip = pod["status"]["podIP"]
    named = f"{ip}\tweb.sub.default.svc.cluster.local\tweb\n"
    assert hosts.endswith(f"{named}\n# Entries added by HostAliases.\n10.1.2.3\tdb\tdb.local\n")
    assert await said(node, pod, "hostname") == "web\n"
