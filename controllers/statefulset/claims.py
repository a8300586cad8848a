"""Core: the PersistentVolumeClaims of a StatefulSet's pods: one for each template and ordinal.

    data-web-2   <- `<template>-<set>-<ordinal>`: the next pod with this ordinal finds it again

What becomes of a claim is said by its owners, and the garbage collector does it:

    whenDeleted: Delete    the set owns the claims of its pods
    whenScaled: Delete     a pod beyond the set's size owns its claims, from just before it is deleted
    Retain                 neither owns them

A claim that another controller owns is left alone. A claim that is being deleted, or belongs to an earlier
pod of the name and so soon will be, must be gone before the next pod comes.

After: k8s pkg/controller/statefulset/stateful_set_utils.go, updateClaimOwnerRefForSetAndPod;
stateful_pod_control.go, createPersistentVolumeClaims, PodClaimIsStale.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kube.api import meta
from kube.api.actions import Action, Announcement, Create, EmitEvent, Update
from kube.api.meta import Object
from kube.api.resources import PERSISTENT_VOLUME_CLAIMS, PODS, STATEFUL_SETS, Resource

CONFLICT = (
    "PersistentVolumeClaim {name} has a conflicting OwnerReference that acts as a managing controller, "
    "the retention policy is ignored for this claim"
)


def templates(stateful_set: Object) -> list[Object]:
    """The claims that every pod gets."""
    found: list[Object] = meta.get(stateful_set, "spec", "volumeClaimTemplates", default=[])
    return found


def claim_name(stateful_set: Object, template: Object, place: int) -> str:
    """The name of a template's claim for one ordinal."""
    return f"{meta.name(template)}-{meta.name(stateful_set)}-{place}"


def claim_names(stateful_set: Object, place: int) -> list[str]:
    """The names of all claims of one ordinal."""
    return [claim_name(stateful_set, each, place) for each in templates(stateful_set)]


def is_claim_name(stateful_set: Object, name: str) -> bool:
    """True for the name of a claim that some ordinal of the set has."""
    prefixes = (f"{meta.name(each)}-{meta.name(stateful_set)}-" for each in templates(stateful_set))
    return any(name.startswith(each) and name.removeprefix(each).isdecimal() for each in prefixes)


def volumes(stateful_set: Object, place: int, given: Sequence[Object]) -> list[Object]:
    """A pod's volumes: its claims, and of the template's those under other names."""
    claims = [
        {
            "name": meta.name(each),
            "persistentVolumeClaim": {"claimName": claim_name(stateful_set, each, place)},
        }
        for each in templates(stateful_set)
    ]
    taken = {each["name"] for each in claims}
    return [*claims, *(each for each in given if each["name"] not in taken)]


def missing(stateful_set: Object, pod: str, place: int, found: dict[str, Object]) -> list[Action]:
    """Create the claims of one ordinal that are not there."""
    owner, name = meta.name(stateful_set), meta.name
    return [
        Create(
            PERSISTENT_VOLUME_CLAIMS,
            made,
            Announcement(
                stateful_set,
                "SuccessfulCreate",
                f"create Claim {name(made)} Pod {pod} in StatefulSet {owner} success",
                "FailedCreate",
                f"create Claim {name(made)} for Pod {pod} in StatefulSet {owner} failed error: {{error}}",
            ),
        )
        for made in (_claim(stateful_set, each, place) for each in templates(stateful_set))
        if name(made) not in found
    ]


def is_stale(stateful_set: Object, pod: str, place: int, found: dict[str, Object]) -> bool:
    """True when a claim of an ordinal without a pod is about to go, with an earlier pod or by itself."""
    claims = [found[each] for each in claim_names(stateful_set, place) if each in found]
    return any(meta.is_terminating(each) or _references(each, PODS, pod) for each in claims)


def retention(
    stateful_set: Object, pod: Object, place: int, *, condemned: bool, found: dict[str, Object]
) -> list[Action]:
    """Make the claims of a pod owned as the retention policy says."""
    deleted, scaled = _policy(stateful_set, "whenDeleted"), _policy(stateful_set, "whenScaled")
    wanted: list[Object] = []
    if scaled and condemned:
        wanted = [meta.owner_reference(pod, PODS)]
    elif deleted:
        wanted = [meta.owner_reference(stateful_set, STATEFUL_SETS)]
    actions: list[Action] = []
    for each in (found[name] for name in claim_names(stateful_set, place) if name in found):
        ours = [
            *_references(each, STATEFUL_SETS, meta.name(stateful_set)),
            *_references(each, PODS, meta.name(pod)),
        ]
        others = [reference for reference in meta.owner_references(each) if reference not in ours]
        if (deleted or scaled) and any(reference.get("controller") for reference in others):
            message = CONFLICT.replace("{name}", meta.name(each))
            actions.append(EmitEvent(stateful_set, "Warning", "ConflictingController", message))
        elif ours != wanted:
            metadata = {**each["metadata"], "ownerReferences": [*others, *wanted]}
            actions.append(Update(PERSISTENT_VOLUME_CLAIMS, {**each, "metadata": metadata}))
    return actions


def _claim(stateful_set: Object, template: Object, place: int) -> Object:
    given = template.get("metadata") or {}
    selector = meta.get(stateful_set, "spec", "selector", "matchLabels", default={})
    metadata: dict[str, Any] = {
        "name": claim_name(stateful_set, template, place),
        "namespace": meta.namespace(stateful_set),
        "labels": {**(given.get("labels") or {}), **selector},
    }
    metadata |= {part: given[part] for part in ("annotations", "finalizers") if given.get(part)}
    if _policy(stateful_set, "whenDeleted"):
        metadata["ownerReferences"] = [meta.owner_reference(stateful_set, STATEFUL_SETS)]
    identity = {"apiVersion": "v1", "kind": "PersistentVolumeClaim"}
    return {**identity, "metadata": metadata, "spec": template.get("spec") or {}}


def _policy(stateful_set: Object, when: str) -> bool:
    """True when claims are to go `whenDeleted` or `whenScaled`."""
    return bool(
        meta.get(stateful_set, "spec", "persistentVolumeClaimRetentionPolicy", when, default="") == "Delete"
    )


def _references(claim: Object, resource: Resource, name: str) -> list[Object]:
    """The claim's references to an owner of this kind and name, of whatever uid."""
    return [
        each
        for each in meta.owner_references(claim)
        if each.get("kind") == resource.kind and each.get("name") == name
    ]
