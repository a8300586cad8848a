"""The official Python client: typed, dynamic, watches, patches, streams.

It runs in a process of its own, for it leaves sockets open, which here would be a warning, and so an error.
"""

from __future__ import annotations

import json
import sys

import pytest

from tests.support.cluster import Cluster

pytestmark = pytest.mark.e2e

SCRIPT = """
import json
import sys
from kubernetes import client, config, dynamic, utils, watch
from kubernetes.client.exceptions import ApiException

config.load_kube_config()
space = sys.argv[1]
core, apps, said = client.CoreV1Api(), client.AppsV1Api(), {}

def refused(call, *args, **options):
    try:
        call(*args, **options)
    except ApiException as error:
        return [error.status, json.loads(error.body)["reason"]]

# Typed objects.
one = client.V1ConfigMap(metadata=client.V1ObjectMeta(name="one", labels={"a": "b"}), data={"x": "1"})
made = core.create_namespaced_config_map(space, one, field_manager="walker")
said["made"] = [made.data, made.metadata.managed_fields[0].manager]
said["twice"] = refused(core.create_namespaced_config_map, space, one)
said["patched"] = core.patch_namespaced_config_map("one", space, {"data": {"y": "2"}}).data
said["json patched"] = core.patch_namespaced_config_map(
    "one", space, [{"op": "remove", "path": "/data/x"}]).data
made.data = {"z": "3"}
said["stale"] = refused(core.replace_namespaced_config_map, "one", space, made)
fresh = core.read_namespaced_config_map("one", space)
fresh.data = {"z": "3"}
said["replaced"] = core.replace_namespaced_config_map("one", space, fresh).data
said["listed"] = [o.metadata.name for o in core.list_namespaced_config_map(space, label_selector="a=b").items]
page = core.list_namespaced_config_map(space, limit=1)
said["page"] = [len(page.items), page.metadata.remaining_item_count]
core.delete_namespaced_config_map("one", space, dry_run="All")
said["dry"] = core.read_namespaced_config_map("one", space).metadata.deletion_timestamp
said["missing"] = refused(core.read_namespaced_config_map, "two", space)
said["invalid"] = refused(core.create_namespaced_config_map, space, {"metadata": {"name": "A_b"}})

# A watch that goes on from a list, and one that is told to end.
version = core.list_namespaced_config_map(space).metadata.resource_version
for name in ("two", "three"):
    core.create_namespaced_config_map(space, {"metadata": {"name": name}})
core.delete_namespaced_config_map("two", space)
stream, seen = watch.Watch(), []
for event in stream.stream(core.list_namespaced_config_map, space, resource_version=version):
    seen.append([event["type"], event["object"].metadata.name])
    if event["type"] == "DELETED":
        stream.stop()
said["seen"] = seen
initial = watch.Watch().stream(core.list_namespaced_config_map, space, timeout_seconds=1)
said["initial"] = sorted(event["object"].metadata.name for event in initial)

# A deployment, its scale and its status.
container = {"name": "c", "image": "nginx"}
template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [container]}}
spec = {"replicas": 1, "selector": {"matchLabels": {"app": "web"}}, "template": template}
web = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec}
utils.create_from_dict(client.ApiClient(), web, namespace=space)
for event in watch.Watch().stream(apps.list_namespaced_deployment, space, timeout_seconds=60):
    if event["object"].status.ready_replicas == 1:
        break
apps.patch_namespaced_deployment_scale("web", space, {"spec": {"replicas": 0}})
scale = apps.read_namespaced_deployment_scale("web", space)
said["scale"] = [scale.spec.replicas, scale.status.selector]
apps.delete_namespaced_deployment("web", space, body=client.V1DeleteOptions(propagation_policy="Foreground"))
for event in watch.Watch().stream(apps.list_namespaced_deployment, space, timeout_seconds=60):
    if event["type"] == "DELETED":
        break
said["gone"] = refused(apps.read_namespaced_deployment, "web", space)

# Discovery, the dynamic client, and server-side apply with it.
said["version"] = client.VersionApi().get_code().minor
said["apis"] = "apps" in [each.name for each in client.ApisApi().get_api_versions().groups]
maps = dynamic.DynamicClient(client.ApiClient()).resources.get(api_version="v1", kind="ConfigMap")
body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "four"}, "data": {"a": "b"}}
said["applied"] = dict(maps.server_side_apply(body, namespace=space, field_manager="me").data)
body["data"] = {"a": "c"}
try:
    maps.server_side_apply(body, namespace=space, field_manager="you")
except dynamic.exceptions.ConflictError as error:
    said["conflict"] = json.loads(error.body)["message"]
forced = maps.server_side_apply(body, namespace=space, field_manager="you", force_conflicts=True)
said["forced"] = forced.data.a
said["got"] = sorted(each.metadata.name for each in maps.get(namespace=space).items)
for event in maps.watch(namespace=space, timeout=1, resource_version=0):
    pass
review = {"spec": {"resourceAttributes": {"verb": "get", "resource": "pods"}}}
said["may"] = client.AuthorizationV1Api().create_self_subject_access_review(review).status.allowed
core.delete_collection_namespaced_config_map(space, label_selector="a=b")
said["left"] = sorted(o.metadata.name for o in core.list_namespaced_config_map(space).items)
print(json.dumps(said))
"""


def test_the_python_client_walks(cluster: Cluster, namespace: str) -> None:
    cluster.kubectl("wait", "--for=create", "configmap/kube-root-ca.crt", "-n", namespace)
    said = json.loads(cluster.run(sys.executable, "-c", SCRIPT, namespace).stdout)
    assert said == {
        "made": [{"x": "1"}, "walker"],
        "twice": [409, "AlreadyExists"],
        "patched": {"x": "1", "y": "2"},
        "json patched": {"y": "2"},
        "stale": [409, "Conflict"],
        "replaced": {"z": "3"},
        "listed": ["one"],
        "page": [1, 1],
        "dry": None,
        "missing": [404, "NotFound"],
        "invalid": [422, "Invalid"],
        "seen": [["ADDED", "two"], ["ADDED", "three"], ["DELETED", "two"]],
        "initial": ["kube-root-ca.crt", "one", "three"],
        "scale": [0, "app=web"],
        "gone": [404, "NotFound"],
        "version": "36",
        "apis": True,
        "applied": {"a": "b"},
        "conflict": 'Apply failed with 1 conflict: conflict with "me": .data.a',
        "forced": "c",
        "got": ["four", "kube-root-ca.crt", "one", "three"],
        "may": True,
        "left": ["four", "kube-root-ca.crt", "three"],
    }
