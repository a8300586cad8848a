"""Claims and volumes on a real API server, with folders of this machine; the test plays the kubelet."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from controllers.host_path_provisioner.folders import Folders
from controllers.main import Settings
from kube.api import meta
from kube.api.meta import Object
from kube.api.resources import (
    EVENTS,
    PERSISTENT_VOLUME_CLAIMS,
    PERSISTENT_VOLUMES,
    PODS,
    STORAGE_CLASSES,
)
from tests.controllers.conftest import Managed, managing
from tests.controllers.test_in_process import CONTAINER
from tests.support.wait import until_async

BOUND = "pv.kubernetes.io/bind-completed"
PROTECTED = "kubernetes.io/pvc-protection"


@pytest.fixture
async def stored(tmp_path: Path) -> AsyncIterator[Managed]:
    """A cluster whose controller manager makes volumes below `tmp_path`/volumes."""
    async with managing(Settings(folders=Folders(tmp_path / "volumes"))) as found:
        yield found


def claim(name: str = "data", size: str = "1Gi", **spec: Any) -> Object:
    wanted = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}}
    return {"metadata": {"name": name, "namespace": "default"}, "spec": wanted | spec}


def volume(name: str, size: str = "1Gi", **spec: Any) -> Object:
    given = {
        "capacity": {"storage": size},
        "accessModes": ["ReadWriteOnce"],
        "hostPath": {"path": f"/mnt/{name}"},
        "storageClassName": "slow",
    }
    return {"metadata": {"name": name}, "spec": given | spec}


def storage_class(name: str, mode: str = "Immediate", provisioner: str = "kubelite.dev/host-path") -> Object:
    return {"metadata": {"name": name}, "provisioner": provisioner, "volumeBindingMode": mode}


def phase_is(phase: str) -> Any:
    return lambda o: meta.get(o, "status", "phase") == phase


def user_of(name: str) -> Object:
    used = {"name": "v", "persistentVolumeClaim": {"claimName": name}}
    spec = {"containers": [CONTAINER], "volumes": [used]}
    return {"metadata": {"name": "user", "namespace": "default", "labels": {"app": "web"}}, "spec": spec}


async def bind_pod(managed: Managed, name: str = "user") -> None:
    target = {"apiVersion": "v1", "kind": "Node", "name": "n1"}
    binding = {"metadata": {"name": name, "namespace": "default"}, "target": target}
    await managed.client.create(PODS, binding, subresource="binding")


async def test_a_claim_of_the_default_class_is_given_a_folder_which_goes_with_it(
    stored: Managed, tmp_path: Path
) -> None:
    await stored.client.create(PERSISTENT_VOLUME_CLAIMS, claim())
    bound = await stored.until(PERSISTENT_VOLUME_CLAIMS, "data", phase_is("Bound"))
    assert bound["spec"]["storageClassName"] == "standard"
    assert bound["status"]["capacity"] == {"storage": "1Gi"}
    assert PROTECTED in meta.finalizers(bound)
    name = bound["spec"]["volumeName"]
    assert name == f"pvc-{meta.uid(bound)}"
    made = await stored.until(PERSISTENT_VOLUMES, name, phase_is("Bound"), None)
    folder = Path(made["spec"]["hostPath"]["path"])
    assert folder == tmp_path / "volumes" / name
    (folder / "file").write_text("kept")
    assert await stored.messages("ProvisioningSucceeded") == [f"Successfully provisioned volume {name}"]
    await stored.messages("ExternalProvisioning")
    await stored.client.delete(PERSISTENT_VOLUME_CLAIMS, "default", "data")
    await stored.until_gone(PERSISTENT_VOLUMES, name, None)
    assert [*(tmp_path / "volumes").iterdir()] == []


async def test_the_smallest_volume_that_fits_is_bound(stored: Managed) -> None:
    for name, size in (("small", "1Gi"), ("large", "10Gi"), ("middle", "5Gi")):
        await stored.client.create(PERSISTENT_VOLUMES, volume(name, size))
    for name in ("small", "large", "middle"):
        await stored.until(PERSISTENT_VOLUMES, name, phase_is("Available"), None)
    await stored.client.create(PERSISTENT_VOLUME_CLAIMS, claim(size="2Gi", storageClassName="slow"))
    bound = await stored.until(PERSISTENT_VOLUME_CLAIMS, "data", phase_is("Bound"))
    assert bound["spec"]["volumeName"] == "middle"
    assert bound["status"]["capacity"] == {"storage": "5Gi"}
    assert meta.annotations(bound)[BOUND] == "yes"
    await stored.until(PERSISTENT_VOLUMES, "middle", phase_is("Bound"), None)
    await stored.client.delete(PERSISTENT_VOLUME_CLAIMS, "default", "data")
    await stored.until(PERSISTENT_VOLUMES, "middle", phase_is("Released"), None)


async def test_a_claim_waits_for_a_volume_to_come(stored: Managed) -> None:
    await stored.client.create(PERSISTENT_VOLUME_CLAIMS, claim(storageClassName=""))
    message = "no persistent volumes available for this claim and no storage class is set"
    assert await stored.messages("FailedBinding") == [message]
    await stored.client.create(PERSISTENT_VOLUMES, volume("late", storageClassName=""))
    await stored.until(PERSISTENT_VOLUME_CLAIMS, "data", phase_is("Bound"))


async def test_a_claim_that_loses_its_volume_says_so(stored: Managed) -> None:
    await stored.client.create(PERSISTENT_VOLUMES, volume("one"))
    await stored.client.create(PERSISTENT_VOLUME_CLAIMS, claim(storageClassName="slow", volumeName="one"))
    await stored.until(PERSISTENT_VOLUME_CLAIMS, "data", phase_is("Bound"))
    await stored.until(PERSISTENT_VOLUMES, "one", phase_is("Bound"), None)
    await stored.client.delete(PERSISTENT_VOLUMES, None, "one")
    held = await stored.until(PERSISTENT_VOLUMES, "one", meta.is_terminating, None)
    assert meta.finalizers(held) == ["kubernetes.io/pv-protection"]
    await stored.client.patch(PERSISTENT_VOLUMES, None, "one", {"metadata": {"finalizers": None}})
    await stored.until(PERSISTENT_VOLUME_CLAIMS, "data", phase_is("Lost"))
    lost = "Bound claim has lost its PersistentVolume. Data on the volume is lost!"
    assert await stored.messages("ClaimLost") == [lost]


async def test_a_delayed_claim_waits_for_a_pod_and_its_node(stored: Managed) -> None:
    await stored.client.create(STORAGE_CLASSES, storage_class("late", "WaitForFirstConsumer"))
    await stored.client.create(PERSISTENT_VOLUME_CLAIMS, claim(storageClassName="late"))
    first = "waiting for first consumer to be created before binding"
    assert await stored.messages("WaitForFirstConsumer") == [first]
    await stored.client.create(PODS, user_of("data"))
    assert await stored.messages("WaitForPodScheduled") == ["waiting for pod user to be scheduled"]
    chosen = {"metadata": {"annotations": {"volume.kubernetes.io/selected-node": "n1"}}}
    await stored.client.patch(PERSISTENT_VOLUME_CLAIMS, "default", "data", chosen)
    await stored.until(PERSISTENT_VOLUME_CLAIMS, "data", phase_is("Bound"))


async def test_a_claim_in_use_goes_when_its_pod_has_gone(stored: Managed) -> None:
    await stored.client.create(PERSISTENT_VOLUME_CLAIMS, claim())
    await stored.client.create(PODS, user_of("data"))
    await bind_pod(stored)
    await stored.until(PERSISTENT_VOLUME_CLAIMS, "data", phase_is("Bound"))
    await stored.client.delete(PERSISTENT_VOLUME_CLAIMS, "default", "data")
    await stored.client.create(PERSISTENT_VOLUME_CLAIMS, claim("other"))
    # All that the first deletion could set off has been done once a later claim is bound and gone.
    await stored.until(PERSISTENT_VOLUME_CLAIMS, "other", phase_is("Bound"))
    await stored.client.delete(PERSISTENT_VOLUME_CLAIMS, "default", "other")
    await stored.until_gone(PERSISTENT_VOLUME_CLAIMS, "other")
    held = await stored.get(PERSISTENT_VOLUME_CLAIMS, "data")
    assert held is not None
    assert meta.finalizers(held) == [PROTECTED]
    await stored.client.delete(PODS, "default", "user", grace_period_seconds=0)
    await stored.until_gone(PERSISTENT_VOLUME_CLAIMS, "data")


async def test_an_ephemeral_volume_lives_as_long_as_its_pod(stored: Managed) -> None:
    pod = user_of("data")
    template = {"metadata": {"labels": {"type": "scratch"}}, "spec": claim()["spec"]}
    pod["spec"]["volumes"] = [{"name": "v", "ephemeral": {"volumeClaimTemplate": template}}]
    made = await stored.client.create(PODS, pod)
    bound = await stored.until(PERSISTENT_VOLUME_CLAIMS, "user-v", phase_is("Bound"))
    assert meta.is_controlled_by(bound, made)
    assert meta.labels(bound) == {"type": "scratch"}
    await stored.client.delete(PODS, "default", "user", grace_period_seconds=0)
    await stored.until_gone(PERSISTENT_VOLUME_CLAIMS, "user-v")
    await stored.until_gone(PERSISTENT_VOLUMES, bound["spec"]["volumeName"], None)


async def test_another_provisioners_claim_is_left_to_it(stored: Managed) -> None:
    await stored.client.create(STORAGE_CLASSES, storage_class("far", provisioner="example.com/far"))
    await stored.client.create(PERSISTENT_VOLUME_CLAIMS, claim(storageClassName="far"))
    await stored.client.create(PERSISTENT_VOLUME_CLAIMS, claim("odd", storageClassName="none"))
    (message,) = await stored.messages("ExternalProvisioning")
    assert "by the external provisioner 'example.com/far' or manually" in message
    assert await stored.messages("ProvisioningFailed") == ['storageclass.storage.k8s.io "none" not found']


async def test_a_folder_that_is_not_the_provisioners_is_never_removed(
    stored: Managed, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    forged = volume("forged", hostPath={"path": str(other)}, persistentVolumeReclaimPolicy="Delete")
    forged["metadata"]["annotations"] = {"pv.kubernetes.io/provisioned-by": "kubelite.dev/host-path"}
    await stored.client.create(PERSISTENT_VOLUMES, forged)
    await stored.client.create(PERSISTENT_VOLUME_CLAIMS, claim(storageClassName="slow"))
    await stored.until(PERSISTENT_VOLUMES, "forged", phase_is("Bound"), None)
    await stored.client.delete(PERSISTENT_VOLUME_CLAIMS, "default", "data")
    failed = await stored.until(PERSISTENT_VOLUMES, "forged", phase_is("Failed"), None)
    assert failed["status"]["message"] == f"{other} is not a folder that this provisioner has made"
    assert other.is_dir()


async def test_events_of_volumes_are_in_the_default_namespace(stored: Managed) -> None:
    await stored.client.create(PERSISTENT_VOLUMES, volume("gone", persistentVolumeReclaimPolicy="Delete"))
    await stored.client.create(PERSISTENT_VOLUME_CLAIMS, claim(storageClassName="slow"))
    await stored.until(PERSISTENT_VOLUMES, "gone", phase_is("Bound"), None)
    await stored.client.delete(PERSISTENT_VOLUME_CLAIMS, "default", "data")
    await stored.until(PERSISTENT_VOLUMES, "gone", phase_is("Failed"), None)

    async def told() -> list[Object]:
        found: list[Object] = (
            await stored.client.list(EVENTS, "default", field_selector="reason=VolumeFailedDelete")
        )["items"]
        return found

    (event,) = await until_async("the event", told)
    why = 'error getting deleter volume plugin for volume "gone": no deletable volume plugin matched'
    assert event["message"] == why
