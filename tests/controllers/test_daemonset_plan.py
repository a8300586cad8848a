"""DaemonSets as text: nodes, pods and revisions in shorthand + now -> what is done."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from controllers.daemonset.failures import Failures
from controllers.daemonset.history import name_of_new
from controllers.daemonset.placement import pod_for, suits
from controllers.daemonset.plan import Seen, failed_nodes, plan
from controllers.revisions import template_patch
from kube.api import meta
from kube.api.actions import Action, Create, Delete
from kube.api.meta import Object
from tests import datadriven
from tests.controllers.rendering import render
from tests.controllers.test_plans import START, made, pod

TESTDATA = Path(__file__).parent / "testdata" / "daemonset"
HASH = "controller-revision-hash"


def node(short: Any) -> Object:
    """A node from its name, or from name, labels, taints (`key=value:effect`)."""
    short = {"name": short} if isinstance(short, str) else short
    return made(short, spec={"taints": [taint(each) for each in short.get("taints", [])]})


def taint(text: str) -> Object:
    key, _, effect = text.partition(":")
    key, _, value = key.partition("=")
    return {"key": key, "effect": effect, **({"value": value} if value else {})}


def template(image: str, pod_spec: Object) -> Object:
    return {
        "metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "c", "image": image}], **pod_spec},
    }


def daemon_set(short: dict[str, Any]) -> Object:
    """The DaemonSet `ds`: image, pod (more of its pod's spec), unavailable, surge, type, and its status."""
    rolling = {"maxUnavailable": short.get("unavailable", 1), "maxSurge": short.get("surge", 0)}
    strategy: Object = {"type": short.get("type", "RollingUpdate")}
    if strategy["type"] == "RollingUpdate":
        strategy["rollingUpdate"] = rolling
    spec: Object = {
        "selector": short.get("selector", {"matchLabels": {"app": "web"}}),
        "template": template(short.get("image", "new"), short.get("pod", {})),
        "updateStrategy": strategy,
        "revisionHistoryLimit": short.get("limit", 10),
    }
    if "minReadySeconds" in short:
        spec["minReadySeconds"] = short["minReadySeconds"]
    annotations = {"deprecated.daemonset.template.generation": "7"} | short.get("annotations", {})
    short = {"name": "ds", "generation": 1, **short, "annotations": annotations}
    return made(short, spec=spec, status=short.get("status", {}))


def revision(short: dict[str, Any], of: Object) -> Object:
    """A revision of the set: its image, number; named after its image, as its hash is."""
    image = short["image"]
    then = {**of, "spec": {**of["spec"], "template": template(image, {})}}
    short = {"name": f"ds-{image}", "owners": ["ds!"], "labels": {"app": "web", HASH: image}, **short}
    return made(short, data=template_patch(then), revision=short["number"])


def daemon(short: dict[str, Any]) -> Object:
    """A pod of the set: node (bound) or for (meant for), of (image of its revision), phase, ready since."""
    labels = {"app": "web", **({HASH: short["of"]} if "of" in short else {})}
    made_for = short.get("for")
    found = pod({"owners": ["ds!"], "labels": labels, **short})
    if made_for is not None:
        found["spec"] = pod_for(daemon_set({}), made_for, "")["spec"]
    return found


def gather(seen: dict[str, Any]) -> Seen:
    of = daemon_set(seen.get("set", {}))
    revisions = [revision(each, of) for each in seen.get("revisions", [{"image": "new", "number": 1}])]
    options = {part: seen[part] for part in ("may_adopt", "expectations_met", "waits") if part in seen}
    namesake = seen.get("namesake")
    if namesake is not None:
        namesake = revision({"name": name_of_new(of), "number": 1, "owners": ["other!"], **namesake}, of)
    return Seen(
        of,
        [node(each) for each in seen.get("nodes", [])],
        [daemon(each) for each in seen.get("pods", [])],
        revisions,
        namesake,
        **options,
    )


def shown(action: Action, seen: Seen) -> str:
    known = {meta.uid(each): each for each in (seen.daemon_set, *seen.revisions)}
    text = render([action], known).replace(name_of_new(seen.daemon_set), "ds-<hash>")
    if isinstance(action, Create) and "spec" in action.object:
        terms = action.object["spec"]["affinity"]["nodeAffinity"]
        required = terms["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
        text = text.split("\n")[0] + f" for {required[0]['matchFields'][0]['values'][0]}"
    return text.split("\n")[0] if isinstance(action, Delete) else text


def handle(case: datadriven.Case) -> str:
    seen = yaml.safe_load(case.input) if case.input else {}
    now = START + timedelta(seconds=float(case.option("now", "0")))
    if case.command == "suits":
        answer = suits(daemon_set(seen.get("set", {})), node(seen["node"]))
        return f"run: {answer.run}, stay: {answer.stay}"
    if case.command == "pod":
        return str(yaml.safe_dump(pod_for(daemon_set(seen.get("set", {})), "n1", "hash"), sort_keys=False))
    if case.command == "failures":
        return backed_off(seen)
    found = gather(seen)
    actions = plan(found, now)
    lines = [shown(each, found) for each in actions]
    failed = failed_nodes(found, actions)
    return "\n".join([*lines, *([f"failed on {' '.join(failed)}"] if failed else [])]) or "nothing"


def backed_off(steps: list[list[Any]]) -> str:
    """What has to wait, step by step: seconds, node that fails (or `-`), observed generation."""
    failures, lines = Failures(), []
    for seconds, name, generation in steps:
        of, now = (
            daemon_set({"status": {"observedGeneration": generation}}),
            START + timedelta(seconds=seconds),
        )
        if name != "-":
            failures.note(of, name, now)
        lines.append(f"at {seconds}: {failures.waits(of, now)}")
    return "\n".join(lines)


@pytest.mark.parametrize("path", sorted(TESTDATA.glob("*.txt")), ids=lambda path: path.stem)
def test_plan(path: Path, request: pytest.FixtureRequest) -> None:
    datadriven.run(path, request, handle)
