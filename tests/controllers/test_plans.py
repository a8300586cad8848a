"""Plans as text: observed YAML (in shorthand) + now -> Actions. One command a controller."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from controllers import pods
from controllers.cluster_role_aggregation import plan as aggregation
from controllers.garbage_collector import plan as garbage_collector
from controllers.namespace import plan as namespace
from controllers.replicaset import plan as replicaset
from controllers.replicaset.kinds import REPLICA_SET, REPLICATION_CONTROLLER
from controllers.root_ca_publisher import plan as root_ca_publisher
from controllers.serviceaccount import plan as serviceaccount
from kube.api import meta
from kube.api.actions import Action
from kube.api.meta import Object
from kube.api.resources import Resource, by_name
from tests import datadriven
from tests.controllers.rendering import render

TESTDATA = Path(__file__).parent / "testdata"
START = datetime(2030, 1, 1, tzinfo=UTC)
STORIES = ("deployment_",)


def made(short: dict[str, Any], **more: Any) -> Object:
    """An object from shorthand: name, labels, owners (uids), finalizers, deleted."""
    name = short.get("name", "it")
    metadata: dict[str, Any] = {
        "name": name,
        "namespace": "default",
        "uid": short.get("uid", f"uid-{name}"),
        "resourceVersion": "7",
        "creationTimestamp": meta.format_time(START - timedelta(seconds=short.get("age", 60))),
    }
    for part in ("labels", "finalizers", "annotations", "generation"):
        if part in short:
            metadata[part] = short[part]
    if short.get("deleted"):
        metadata["deletionTimestamp"] = meta.format_time(START)
    if "owners" in short:
        metadata["ownerReferences"] = [owner(each) for each in short["owners"]]
    return {"metadata": metadata, **more}


def owner(text: str) -> dict[str, Any]:
    """`rs` is an owner called rs, `rs!` one that controls and blocks."""
    name = text.rstrip("!")
    reference = {"apiVersion": "v1", "kind": "ReplicationController", "name": name, "uid": f"uid-{name}"}
    return reference | ({"controller": True, "blockOwnerDeletion": True} if text.endswith("!") else {})


def pod(short: dict[str, Any]) -> Object:
    """A pod from shorthand: phase, node, ready (seconds since), restarts, cost."""
    short = {"labels": {"app": "web"}, **short}
    if "cost" in short:
        short["annotations"] = {pods.DELETION_COST: str(short["cost"])}
    status: dict[str, Any] = {"phase": short.get("phase", "Running" if "ready" in short else "Pending")}
    if "ready" in short:
        since = meta.format_time(START - timedelta(seconds=short["ready"]))
        status["conditions"] = [{"type": "Ready", "status": "True", "lastTransitionTime": since}]
    if "restarts" in short:
        status["containerStatuses"] = [{"restartCount": short["restarts"]}]
    return made(short, spec={"nodeName": short["node"]} if "node" in short else {}, status=status)


def replica_set(short: dict[str, Any]) -> Object:
    selector: dict[str, Any] = short.get("selector", {"matchLabels": {"app": "web"}})
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c"}]}}
    spec = {"replicas": short.get("replicas", 1), "selector": selector, "template": template}
    if "minReadySeconds" in short:
        spec["minReadySeconds"] = short["minReadySeconds"]
    return made({"generation": 1, **short}, spec=spec, status=short.get("status", {}))


def plan_replicaset(seen: dict[str, Any], now: datetime) -> tuple[list[Action], list[Object]]:
    kind = REPLICATION_CONTROLLER if seen.get("kind") == "rc" else REPLICA_SET
    of = replica_set(seen["replicaset"])
    own = [pod(each) for each in seen.get("pods", [])]
    siblings = [pod(each) for each in seen.get("siblings", [])]
    options = {part: seen[part] for part in ("may_adopt", "expectations_met", "failure") if part in seen}
    return replicaset.plan(replicaset.Seen(kind, of, own, siblings + own, **options), now), [of, *own]


def plan_namespace(seen: dict[str, Any], now: datetime) -> tuple[list[Action], list[Object]]:
    o = made(seen["namespace"], spec={"finalizers": ["kubernetes"]}, status=seen.get("status", {}))
    del o["metadata"]["namespace"]
    content = {
        resource(name): [made(each) for each in found] for name, found in seen.get("content", {}).items()
    }
    return namespace.plan(namespace.Seen(o, content), now), [o]


def plan_gc(seen: dict[str, Any], now: datetime) -> tuple[list[Action], list[Object]]:
    o = made(seen["object"])
    owners = [made(each) if each != "gone" else None for each in seen.get("owners", [])]
    dependents = [(resource("pods"), made(each)) for each in seen.get("dependents", [])]
    found = garbage_collector.Seen(resource("configmaps"), o, owners, dependents)
    return garbage_collector.plan(found, now), [o]


def plan_serviceaccount(seen: dict[str, Any], now: datetime) -> tuple[list[Action], list[Object]]:
    account = made(seen["account"]) if "account" in seen else None
    return serviceaccount.plan(serviceaccount.Seen(made(seen["namespace"]), account), now), []


def plan_rootca(seen: dict[str, Any], now: datetime) -> tuple[list[Action], list[Object]]:
    config_map = None
    if "configmap" in seen:
        config_map = made(
            {"name": "kube-root-ca.crt"} | seen["configmap"], data=seen["configmap"].get("data")
        )
    known = [config_map] if config_map is not None else []
    found = root_ca_publisher.Seen(made(seen["namespace"]), config_map, "THE-CA")
    return root_ca_publisher.plan(found, now), known


def plan_aggregation(seen: dict[str, Any], now: datetime) -> tuple[list[Action], list[Object]]:
    roles = [
        made(each, **{part: each[part] for part in ("rules", "aggregationRule") if part in each})
        for each in seen["roles"]
    ]
    return aggregation.plan(aggregation.Seen(roles[0], roles), now), roles


def resource(name: str) -> Resource:
    found = by_name(name)
    assert found is not None, name
    return found


def handle(case: datadriven.Case) -> str:
    seen = yaml.safe_load(case.input)
    now = START + timedelta(seconds=float(case.option("now", "0")))
    if case.command == "order":
        found = [pod(each) for each in seen["pods"]]
        ranks = {f"uid-{each['name']}": each.get("rank", 0) for each in seen["pods"]}
        return " ".join(meta.name(each) for each in pods.deletion_order(found, ranks, now))
    actions, known = globals()[f"plan_{case.command}"](seen, now)
    return render(actions, {meta.uid(each): each for each in known})


@pytest.mark.parametrize(
    "path",
    [each for each in sorted(TESTDATA.glob("*.txt")) if not each.name.startswith(STORIES)],
    ids=lambda path: path.stem,
)
def test_plan(path: Path, request: pytest.FixtureRequest) -> None:
    datadriven.run(path, request, handle)
