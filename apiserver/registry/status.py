"""Core: who may write which half of an object, and when its generation grows.

A kind with a `status` subresource has two doors: the object's own, which keeps the status as it was, and
`/status`, which keeps everything else. Controllers write through one, people through the other, and neither
undoes the other's work.

After: the strategies' PrepareForCreate and PrepareForUpdate in k8s pkg/registry/*/*/strategy.go
"""

from __future__ import annotations

from apiserver.registry import metadata
from apiserver.registry.kinds import strategy_of
from kube.api import meta
from kube.api.meta import Object
from kube.api.resources import Resource

# What /status may not change in metadata, by kind; most kinds leave all of it open.
METADATA_CLOSED = (
    "apiservices",
    "customresourcedefinitions",
    "flowschemas",
    "prioritylevelconfigurations",
    "validatingadmissionpolicies",
    "volumeattachments",
)
METADATA_KEPT = {"deployments": "labels", "pods": "ownerReferences"}
NOT_COUNTED = ("metadata", "status", "apiVersion", "kind")


def has_status(resource: Resource) -> bool:
    """True for kinds with two doors."""
    return resource.subresource("status") is not None


def prepare_create(resource: Resource, o: Object) -> None:
    """Drop what only the system writes."""
    metadata = o["metadata"]
    for part in (
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "resourceVersion",
        "selfLink",
        "generation",
    ):
        metadata.pop(part, None)
    if has_status(resource):
        o.pop("status", None)
    if strategy_of(resource).counts_generation:
        metadata["generation"] = 1


def prepare_update(resource: Resource, subresource: str, new: Object, old: Object) -> None:
    """Put back the half of the object that this door does not write."""
    metadata.restore(new, old)
    if subresource in ("status", "approval"):
        _keep_all_but_status(new, old, resource.plural)
        if subresource == "approval":
            _keep_all_but_conditions(new, old)
    elif subresource == "ephemeralcontainers":
        added = meta.get(new, "spec", "ephemeralContainers", default=[])
        _keep_all(new, old)
        new["spec"]["ephemeralContainers"] = added
    elif subresource == "resize":
        _keep_all_but_resources(new, old)
    elif not subresource and has_status(resource):
        new.pop("status", None)
        if "status" in old:
            new["status"] = meta.deep_copy(old["status"])


def _keep_all(new: Object, old: Object) -> None:
    """Everything as it was, but for what managers own and the version it was based on."""
    sent = new["metadata"]
    new.clear()
    new.update(meta.deep_copy(old))
    for part in ("resourceVersion", "managedFields"):
        if part in sent:
            new["metadata"][part] = sent[part]


def _keep_all_but_resources(new: Object, old: Object) -> None:
    """What containers ask for may change, for those that are there."""
    wanted = {
        field: {each.get("name"): each for each in meta.get(new, "spec", field, default=[])}
        for field in ("containers", "initContainers")
    }
    _keep_all(new, old)
    for field, by_name in wanted.items():
        for container in new["spec"].get(field) or []:
            sent = by_name.get(container.get("name"), container)
            for part in ("resources", "resizePolicy"):
                if part in sent:
                    container[part] = sent[part]
                else:
                    container.pop(part, None)


def _keep_all_but_status(new: Object, old: Object, plural: str) -> None:
    written, sent = new.get("status"), new["metadata"]
    new.clear()
    new.update(meta.deep_copy({key: value for key, value in old.items() if key != "status"}))
    if plural not in METADATA_CLOSED:
        kept = METADATA_KEPT.get(plural, "")
        if kept in old["metadata"]:
            sent[kept] = new["metadata"][kept]
        else:
            sent.pop(kept, None)
        new["metadata"] = sent
    new["metadata"]["resourceVersion"] = meta.resource_version({"metadata": sent})
    if written is not None:
        new["status"] = written


def _keep_all_but_conditions(new: Object, old: Object) -> None:
    """Who approves a request does not issue its certificate."""
    conditions = meta.get(new, "status", "conditions")
    new["status"] = meta.deep_copy(old.get("status") or {})
    if conditions is not None:
        new["status"]["conditions"] = conditions


def count_generation(resource: Resource, new: Object, old: Object) -> None:
    """Raise the generation when anything but metadata and status changed."""
    if not strategy_of(resource).counts_generation:
        return
    before = {key: value for key, value in old.items() if key not in NOT_COUNTED}
    after = {key: value for key, value in new.items() if key not in NOT_COUNTED}
    if before != after:
        new["metadata"]["generation"] = (old["metadata"].get("generation") or 0) + 1
