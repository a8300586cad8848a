"""Claims and volumes as text: what is seen of them, in shorthand + now -> what is done."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from controllers.host_path_provisioner import plan as provisioner
from controllers.persistent_volume.claims import SeenClaim
from controllers.persistent_volume.plan import SeenVolume, plan
from kube.api import meta
from kube.api.meta import Object
from kube.api.volumes import BIND_COMPLETED, BOUND_BY_CONTROLLER, DEFAULT_CLASS, PROVISIONED_BY
from tests import datadriven
from tests.controllers.rendering import render
from tests.controllers.test_plans import START, made, pod

TESTDATA = Path(__file__).parent / "testdata" / "persistent_volume"


def notes(short: dict[str, Any]) -> dict[str, str]:
    """Annotations from the marks `complete`, `by` (bound by the controller), `made` (by a provisioner)."""
    marks = {"complete": (BIND_COMPLETED, "yes"), "by": (BOUND_BY_CONTROLLER, "yes")}
    marks["made"] = (PROVISIONED_BY, provisioner.PROVISIONER)
    found = dict(marks[each] for each in short.get("marks", []))
    return found | short.get("annotations", {})


def claim(short: dict[str, Any]) -> Object:
    """The claim `data`: size, class (unless null), modes, volume, selector, phase."""
    spec: Object = {"resources": {"requests": {"storage": short.get("size", "1Gi")}}}
    spec["accessModes"] = short.get("modes", ["ReadWriteOnce"])
    if short.get("class", "slow") is not None:
        spec["storageClassName"] = short.get("class", "slow")
    for part, field in (("volume", "volumeName"), ("selector", "selector"), ("mode", "volumeMode")):
        if part in short:
            spec[field] = short[part]
    status: Object = {"phase": short.get("phase", "Pending")}
    if status["phase"] == "Bound":
        status |= {"accessModes": spec["accessModes"], "capacity": {"storage": "1Gi"}}
    short = {"name": "data", **short, "annotations": notes(short)}
    return made(short, spec=spec, status=status)


def volume(short: dict[str, Any]) -> Object:
    """A volume: size, class, modes, phase, policy, for (the name of a claim), of (its uid, too)."""
    spec: Object = {
        "capacity": {"storage": short.get("size", "1Gi")},
        "accessModes": short.get("modes", ["ReadWriteOnce"]),
        "storageClassName": short.get("class", "slow"),
        "persistentVolumeReclaimPolicy": short.get("policy", "Retain"),
    }
    if "mode" in short:
        spec["volumeMode"] = short["mode"]
    if name := short.get("of", short.get("for")):
        spec["claimRef"] = {"namespace": "default", "name": name}
        spec["claimRef"] |= {"uid": short.get("uid_of", f"uid-{name}")} if "of" in short else {}
    found = made({**short, "annotations": notes(short)}, spec=spec)
    del found["metadata"]["namespace"]
    return found | {"status": {"phase": short.get("phase", "Available")}}


def storage_class(short: dict[str, Any]) -> Object:
    """A class: provisioner, mode, default."""
    marked = {DEFAULT_CLASS: "true"} if short.get("default") else {}
    mode = short.get("mode", "Immediate")
    more = {"provisioner": short.get("provisioner", provisioner.PROVISIONER), "volumeBindingMode": mode}
    return made({**short, "annotations": marked}, **more)


def handle(case: datadriven.Case) -> str:
    seen = yaml.safe_load(case.input) if case.input else {}
    now = START + timedelta(seconds=float(case.option("now", "0")))
    volumes = [volume(each) for each in seen.get("volumes", [])]
    known: dict[str, Object] = {meta.uid(each): each for each in volumes}
    if case.command == "claim":
        of = claim(seen.get("claim", {}))
        named = meta.get(of, "spec", "volumeName")
        mine = next((each for each in volumes if meta.name(each) == named), None)
        classes = [storage_class(each) for each in seen.get("classes", [])]
        pods = [pod(each) for each in seen.get("pods", [])]
        return render(plan(SeenClaim(of, volumes, mine, classes, pods), now), known | {meta.uid(of): of})
    assert case.command == "volume", case.command
    its = claim(seen["claim"]) if "claim" in seen else None
    return render(plan(SeenVolume(volumes[0], its), now), known)


@pytest.mark.parametrize("path", sorted(TESTDATA.glob("*.txt")), ids=lambda path: path.stem)
def test_plan(path: Path, request: pytest.FixtureRequest) -> None:
    datadriven.run(path, request, handle)


@pytest.mark.parametrize("mode", ["Filesystem", "Block"])
def test_a_claim_without_its_folder_is_tried_again(mode: str) -> None:
    failure = "no space left" if mode == "Filesystem" else ""
    of = claim({"mode": mode})
    seen = provisioner.SeenClaim(of, storage_class({"name": "slow"}), Path("/v/pvc-uid-data"), failure)
    why = failure or "block volumes are not supported"
    assert render(provisioner.plan(seen, START), {}) == (
        f'event Warning ProvisioningFailed: failed to provision volume with StorageClass "slow": {why}\n'
        "look again after 15s"
    )
