"""Core: decides the next step of a Deployment.

Adopt and release ReplicaSets; find the one that has the present template or make it; size them; forget the
oldest; write the status down. A Deployment that is paused is still scaled but not rolled out.

Sees: the Deployment, the ReplicaSets it may own, the pods of its ReplicaSets (for Recreate), now.
Says: Patch (adopt, release, revision), Create, Update, Delete of ReplicaSets, EmitEvent, UpdateStatus,
RequeueAfter.
Invariants: an EmitEvent follows the action it tells of, so that a failed action is not told; all changes of
one ReplicaSet are one Update; the status goes before the revision patch, which outdates the resourceVersion.
After: k8s pkg/controller/deployment/deployment_controller.go, syncDeployment; sync.go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from controllers.claim import claim
from controllers.deployment import rollout, status
from controllers.deployment.replica_sets import (
    REVISION,
    Family,
    annotations_of_new,
    family,
    make_new,
    next_revision,
    replicas_annotations,
    resized,
    revision_of,
)
from controllers.deployment.sizes import is_rolling_update, replicas, size_of_new
from controllers.deployment.status import Condition
from kube.api import meta
from kube.api.actions import (
    Action,
    Announcement,
    Create,
    Delete,
    EmitEvent,
    Patch,
    RequeueAfter,
    Update,
    UpdateStatus,
)
from kube.api.labels import Selector
from kube.api.meta import Object
from kube.api.resources import DEPLOYMENTS, REPLICA_SETS

KEEP_ALL = 2**31 - 1


@dataclass(slots=True)
class Seen:
    """What there is.

    `replica_sets` are those under the Deployment's uid and the orphans of its namespace; `pods_by_owner`
    holds the pods of its own ones by their uid; `name_taken` says that a ReplicaSet of the name that a new
    one would get exists and is not ours; `failure` is why the new one could not be created the last time, if
    it could not.
    """

    deployment: Object
    replica_sets: list[Object]
    pods_by_owner: Mapping[str, Sequence[Object]] = field(default_factory=dict)
    may_adopt: bool = True
    name_taken: bool = False
    failure: str | None = None


def plan(seen: Seen, now: datetime) -> list[Action]:
    """What to do for one Deployment."""
    deployment = seen.deployment
    selector = Selector.from_label_selector(meta.get(deployment, "spec", "selector"))
    if selector.is_empty:
        why = "This deployment is selecting all pods. A non-empty selector is required."
        return [EmitEvent(deployment, "Warning", "SelectingAll", why)]
    claimed = claim(
        deployment, DEPLOYMENTS, selector, seen.replica_sets, REPLICA_SETS, may_adopt=seen.may_adopt
    )
    return claimed.actions + _advance(seen, family(deployment, claimed.owned), now)


def _advance(seen: Seen, own: Family, now: datetime) -> list[Action]:
    deployment = seen.deployment
    kept: list[Condition] = meta.get(deployment, "status", "conditions", default=[])
    if meta.is_terminating(deployment):
        return _write_status(deployment, status.calculate(deployment, own, kept, now))
    kept = status.with_pause(deployment, kept, now)
    paused = bool(meta.get(deployment, "spec", "paused", default=False))
    if paused or rollout.is_scaling_event(deployment, own):
        actions = _resize(deployment, own, rollout.scale(deployment, own))
        actions += _forget_oldest(deployment, own.old) if paused else []
        actions += _write_status(deployment, status.calculate(deployment, own, kept, now))
        return actions + _note_revision(deployment, own)
    if own.new is None and _may_create(seen, own):
        return _create_new(seen, own, kept, now)
    return _roll_out(seen, own, kept, now)


def _roll_out(seen: Seen, own: Family, kept: Sequence[Condition], now: datetime) -> list[Action]:
    deployment = seen.deployment
    if own.new is not None and status.deadline(deployment) and status.find(kept, "Progressing") is None:
        found = f'Found new replica set "{meta.name(own.new)}"'
        kept = status.set_condition(kept, status.progressing("True", "FoundNewReplicaSet", found), now)
    actions = _resize(deployment, own, _next_sizes(seen, own))
    if status.is_complete(deployment, deployment.get("status") or {}):
        actions += _forget_oldest(deployment, own.old)
    new_status = status.of_rollout(deployment, own, kept, now)
    actions += _write_status(deployment, new_status)
    actions += _note_revision(deployment, own)
    seconds = status.seconds_to_deadline(deployment, new_status, now)
    return actions + ([RequeueAfter(seconds)] if seconds is not None else [])


def _next_sizes(seen: Seen, own: Family) -> rollout.Sizes:
    if is_rolling_update(seen.deployment):
        assert own.new is not None, "a rolling update begins with the new ReplicaSet"
        return rollout.rolling(seen.deployment, own)
    if own.active_old:
        return rollout.stop_old(own)
    if own.new is None or rollout.old_pods_run(own, seen.pods_by_owner):
        return {}
    return {meta.name(own.new): replicas(seen.deployment)}


def _may_create(seen: Seen, own: Family) -> bool:
    """A recreate makes the new ReplicaSet only when nothing of the old ones is left."""
    if is_rolling_update(seen.deployment):
        return True
    return not own.active_old and not rollout.old_pods_run(own, seen.pods_by_owner)


def _create_new(seen: Seen, own: Family, kept: Sequence[Condition], now: datetime) -> list[Action]:
    deployment = seen.deployment
    if seen.name_taken:
        # Another template has our hash: count on, and the next hash differs.
        count = int(meta.get(deployment, "status", "collisionCount", default=0)) + 1
        return _write_status(deployment, {**(deployment.get("status") or {}), "collisionCount": count})
    revision = next_revision(own.old)
    size = size_of_new(deployment, own.old, 0)
    new = make_new(deployment, revision, size)
    announcement = Announcement(
        deployment,
        "ScalingReplicaSet",
        f"Scaled up replica set {{name}} to {size}",
        "ReplicaSetCreateError",
        'Failed to create new replica set "{name}": {error}',
    )
    if status.deadline(deployment) is not None:
        kept = status.set_condition(kept, _creation(meta.name(new), seen.failure), now)
    new_status = status.of_rollout(deployment, own, kept, now)
    return [
        Create(REPLICA_SETS, new, announcement if size else None),
        *_write_status(deployment, new_status),
        *_patch_revision(deployment, revision),
    ]


def _creation(name: str, failure: str | None) -> Condition:
    if failure is not None:
        why = f'Failed to create new replica set "{name}": {failure}'
        return status.progressing("False", "ReplicaSetCreateError", why)
    return status.progressing("True", "NewReplicaSetCreated", f'Created new replica set "{name}"')


def _resize(deployment: Object, own: Family, sizes: rollout.Sizes) -> list[Action]:
    """One Update for each ReplicaSet whose size or annotations change, and an Event for each size."""
    actions: list[Action] = []
    for each in own.all:
        old = replicas(each)
        size = sizes.get(meta.name(each), old)
        changed = _edited(deployment, own, each, size, sized=meta.name(each) in sizes)
        if changed == each:
            continue
        actions.append(Update(REPLICA_SETS, changed))
        if size != old:
            direction = "up" if size > old else "down"
            told = f"Scaled {direction} replica set {meta.name(each)} to {size} from {old}"
            actions.append(EmitEvent(deployment, "Normal", "ScalingReplicaSet", told))
    return actions


def _edited(deployment: Object, own: Family, each: Object, size: int, *, sized: bool) -> Object:
    """A ReplicaSet as it should be."""
    annotations = meta.annotations(each)
    if each is own.new:
        annotations = annotations_of_new(deployment, each, next_revision(own.old))
    if sized:
        annotations = annotations | replicas_annotations(deployment)
    changed = resized(each, size, annotations) if annotations or size != replicas(each) else each
    wanted = meta.get(deployment, "spec", "minReadySeconds", default=0)
    if each is own.new and meta.get(each, "spec", "minReadySeconds", default=0) != wanted:
        changed = {**changed, "spec": {**changed["spec"], "minReadySeconds": wanted}}
    return changed


def _forget_oldest(deployment: Object, old: Sequence[Object]) -> list[Action]:
    """Delete the empty ReplicaSets beyond the history limit, those with the lowest revisions first."""
    limit = meta.get(deployment, "spec", "revisionHistoryLimit")
    if limit is None or limit == KEEP_ALL:
        return []
    living = sorted((each for each in old if not meta.is_terminating(each)), key=revision_of)
    surplus = living[: max(len(living) - limit, 0)]
    return [
        Delete(REPLICA_SETS, meta.namespace(each), meta.name(each), meta.uid(each))
        for each in surplus
        if replicas(each) == 0
        and not meta.get(each, "status", "replicas")
        and meta.get(each, "status", "observedGeneration", default=0) >= meta.generation(each)
    ]


def _note_revision(deployment: Object, own: Family) -> list[Action]:
    if own.new is None:
        return []
    return _patch_revision(deployment, max(revision_of(own.new), next_revision(own.old)))


def _patch_revision(deployment: Object, revision: int) -> list[Action]:
    if meta.annotations(deployment).get(REVISION) == str(revision):
        return []
    patch = {"metadata": {"annotations": {REVISION: str(revision)}}}
    return [Patch(DEPLOYMENTS, meta.namespace(deployment), meta.name(deployment), patch)]


def _write_status(deployment: Object, new_status: Object) -> list[Action]:
    if new_status == (deployment.get("status") or {}):
        return []
    return [UpdateStatus(DEPLOYMENTS, {**deployment, "status": new_status})]
