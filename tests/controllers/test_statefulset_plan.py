"""StatefulSets as text: pods, revisions and claims in shorthand + now -> what is done."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from controllers import revisions
from controllers.statefulset.history import name_of_new
from controllers.statefulset.identity import REVISION, identity_labels, ordinal, pod_for
from controllers.statefulset.plan import Seen, plan
from kube.api import meta
from kube.api.actions import Action, Create
from kube.api.meta import Object
from kube.api.resources import PODS
from tests import datadriven
from tests.controllers.rendering import render
from tests.controllers.test_plans import START, made, pod

TESTDATA = Path(__file__).parent / "testdata" / "statefulset"


def template(image: str) -> Object:
    return {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": image}]}}


def stateful_set(short: dict[str, Any]) -> Object:
    """The set `web`: image, replicas, type, partition, unavailable, parallel, start, claims, policy."""
    strategy: Object = {"type": short.get("type", "RollingUpdate")}
    if strategy["type"] == "RollingUpdate":
        strategy["rollingUpdate"] = {
            "partition": short.get("partition", 0),
            "maxUnavailable": short.get("unavailable", 1),
        }
    spec: Object = {
        "replicas": short.get("replicas", 3),
        "serviceName": "db",
        "selector": {"matchLabels": {"app": "web"}},
        "template": template(short.get("image", "new")),
        "updateStrategy": strategy,
        "podManagementPolicy": "Parallel" if short.get("parallel") else "OrderedReady",
        "revisionHistoryLimit": short.get("limit", 10),
        "ordinals": {"start": short.get("start", 0)},
        "minReadySeconds": short.get("minReadySeconds", 0),
        "persistentVolumeClaimRetentionPolicy": short.get("policy", {}),
        "volumeClaimTemplates": [
            {"metadata": {"name": each}, "spec": {}} for each in short.get("claims", [])
        ],
    }
    status = {"currentRevision": f"web-{short.get('current', short.get('image', 'new'))}"}
    return made({"name": "web", "generation": 1, **short}, spec=spec, status=status | short.get("status", {}))


def revision(short: dict[str, Any], of: Object) -> Object:
    """A revision of the set, named after its image; its number."""
    then = {**of, "spec": {**of["spec"], "template": template(short["image"])}}
    short = {"name": f"web-{short['image']}", "owners": ["web!"], "labels": {"app": "web"}, **short}
    return made(short, data=revisions.template_patch(then), revision=short["number"])


def member(short: dict[str, Any], of: Object) -> Object:
    """A pod of the set: its name, of (image of its revision), phase, ready since, whether it is deleted."""
    labels = {"app": "web", REVISION: f"web-{short.get('of', 'new')}"}
    place = ordinal(of, made(short))
    labels |= identity_labels(of, place) if place is not None and not short.get("nameless") else {}
    return pod({"owners": ["web!"], "labels": labels, **short})


def gather(seen: dict[str, Any]) -> Seen:
    of = stateful_set(seen.get("set", {}))
    found = [revision(each, of) for each in seen.get("revisions", [{"image": "new", "number": 1}])]
    options = {part: seen[part] for part in ("may_adopt", "expectations_met") if part in seen}
    namesake = seen.get("namesake")
    if namesake is not None:
        namesake = revision({"name": name_of_new(of), "number": 1, "owners": ["other!"], **namesake}, of)
    claims = [claim(each) for each in seen.get("claims", [])]
    members = [member(each, of) for each in seen.get("pods", [])]
    return Seen(of, members, found, namesake, {meta.name(each): each for each in claims}, **options)


def claim(short: dict[str, Any]) -> Object:
    """A claim: its name, the set or pod that owns it."""
    found = made(short)
    owner = short.get("owner")
    if owner is not None:
        kind = "StatefulSet" if owner == "web" else "Pod"
        version = "apps/v1" if owner == "web" else "v1"
        uid = short.get("owner_uid", f"uid-{owner}")
        reference = {"apiVersion": version, "kind": kind, "name": owner, "uid": uid}
        found["metadata"]["ownerReferences"] = [reference | {"controller": True, "blockOwnerDeletion": True}]
    return found


def shown(action: Action, seen: Seen) -> str:
    everything = (seen.stateful_set, *seen.revisions, *seen.claims.values())
    text = render([action], {meta.uid(each): each for each in everything})
    text = text.replace(name_of_new(seen.stateful_set), "web-<hash>")
    if isinstance(action, Create) and action.resource == PODS:
        image = action.object["spec"]["containers"][0]["image"]
        return text.split("\n")[0] + f" of {image}"
    return text


def handle(case: datadriven.Case) -> str:
    seen = yaml.safe_load(case.input) if case.input else {}
    now = START + timedelta(seconds=float(case.option("now", "0")))
    found = gather(seen)
    if case.command == "pod":
        made_pod = pod_for(found.stateful_set, found.revisions[0], seen["place"])
        return str(yaml.safe_dump(made_pod, sort_keys=False))
    actions = plan(found, now)
    lines = [shown(each, found) for each in actions]
    if case.command == "steps":
        lines = [each.split("\n")[0] for each in lines if not each.startswith("status")]
    return "\n".join(lines) or "nothing"


@pytest.mark.parametrize("path", sorted(TESTDATA.glob("*.txt")), ids=lambda path: path.stem)
def test_plan(path: Path, request: pytest.FixtureRequest) -> None:
    datadriven.run(path, request, handle)
