"""Core: the PersistentVolumeClaims of a StatefulSet's pods: one for each template and ordinal.

    data-web-2   <- `<template>-<set>-<ordinal>`: the next pod with this ordinal finds it again

What becomes of a claim is said by its owners, and the garbage collector does it:

    whenDeleted: Delete    the set owns the claims of its pods
    whenScaled: Delete     a pod beyond the set's size owns its claims, from just before it is deleted
    Retain                 neither owns them

A claim that another controller owns gets no owner of ours. A claim that is being deleted, or belongs to an
earlier pod of the name and so soon will be, must be gone before the next pod comes.

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

# Spelt as in Kubernetes, since people search for it.
CONFLICT = (
    "PersistentVolumeClaim {name} has a conflicting OwnerReference that acts as a manging controller, "
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


def in_the_way(stateful_set: Object, pod: str, place: int, found: dict[str, Object]) -> list[Action] | None:
    """What to tell while a claim is about to go, by itself or with an earlier pod; None if none is.

    As long as there is one, no pod can be made for its ordinal.
    """
    claims = [found[each] for each in claim_names(stateful_set, place) if each in found]
    going = [meta.name(each) for each in claims if meta.is_terminating(each)]
    if not going and not any(_references(each, PODS, pod) for each in claims):
        return None
    what = f"create Pod {pod} in StatefulSet {meta.name(stateful_set)} failed error"
    return [
        EmitEvent(stateful_set, "Warning", "FailedCreate", f"{what}: pvc {each} is being deleted")
        for each in going
    ]


def retention(
    stateful_set: Object, pod: Object, place: int, *, condemned: bool, found: dict[str, Object]
) -> list[Action]:
    """Make the claims of a pod owned as the retention policy says."""
    actions: list[Action] = []
    for each in (found[name] for name in claim_names(stateful_set, place) if name in found):
        ours = [
            *_references(each, STATEFUL_SETS, meta.name(stateful_set)),
            *_references(each, PODS, meta.name(pod)),
        ]
        others = [reference for reference in meta.owner_references(each) if reference not in ours]
        stale = any(reference["uid"] not in (meta.uid(stateful_set), meta.uid(pod)) for reference in ours)
        conflict = stale or any(reference.get("controller") for reference in others)
        managed = _policy(stateful_set, "whenDeleted") or _policy(stateful_set, "whenScaled")
        if managed and conflict:
            message = CONFLICT.replace("{name}", meta.name(each))
            actions.append(EmitEvent(stateful_set, "Warning", "ConflictingController", message))
        wanted = [] if conflict else _wanted(stateful_set, pod, condemned=condemned)
        # What an earlier set or pod of the name still owns is left to the garbage collector.
        if ours != wanted and not stale:
            metadata = {**each["metadata"], "ownerReferences": [*others, *wanted]}
            actions.append(Update(PERSISTENT_VOLUME_CLAIMS, {**each, "metadata": metadata}))
    return actions


def _wanted(stateful_set: Object, pod: Object, *, condemned: bool) -> list[Object]:
    """The owner that the retention policy gives to a pod's claims, if any."""
    if condemned and _policy(stateful_set, "whenScaled"):
        return [meta.owner_reference(pod, PODS)]
    if _policy(stateful_set, "whenDeleted"):
        return [meta.owner_reference(stateful_set, STATEFUL_SETS)]
    return []


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
