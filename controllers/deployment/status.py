"""Core: says in a Deployment's status how far its rollout has come.

Available is about now: are enough pods available? Progressing is about the rollout: it stays True while
something improves, turns False when nothing has for `progressDeadlineSeconds`, and after the last step stays
True with the reason NewReplicaSetAvailable.

After: k8s pkg/controller/deployment/progress.go, syncRolloutStatus; util/deployment_util.go.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from controllers.deployment.replica_sets import Family
from controllers.deployment.sizes import max_unavailable, replicas, status_count
from kube.api import conditions, meta
from kube.api.meta import Object

Condition = dict[str, Any]

NO_DEADLINE = 2**31 - 1
AVAILABLE = "NewReplicaSetAvailable"
TIMED_OUT = "ProgressDeadlineExceeded"
PAUSED = "DeploymentPaused"


def find(kept: Sequence[Condition], condition_type: str) -> Condition | None:
    """The condition of a type."""
    return next((each for each in kept if each["type"] == condition_type), None)


def set_condition(kept: Sequence[Condition], new: Condition, now: datetime) -> list[Condition]:
    """The conditions with `new`, unless one of its type says the same already."""
    old = find(kept, new["type"])
    if old is not None and (old["status"], old.get("reason")) == (new["status"], new["reason"]):
        return [*kept]
    at = meta.format_time(now)
    since = old["lastTransitionTime"] if old is not None and old["status"] == new["status"] else at
    others = [each for each in kept if each["type"] != new["type"]]
    return [*others, {**new, "lastUpdateTime": at, "lastTransitionTime": since}]


def progressing(status: str, reason: str, message: str) -> Condition:
    """A Progressing condition, without its times."""
    return {"type": "Progressing", "status": status, "reason": reason, "message": message}


def deadline(deployment: Object) -> timedelta | None:
    """How long a rollout may stand still; None for ever."""
    seconds = meta.get(deployment, "spec", "progressDeadlineSeconds")
    return None if seconds in (None, NO_DEADLINE) else timedelta(seconds=seconds)


def with_pause(deployment: Object, kept: Sequence[Condition], now: datetime) -> list[Condition]:
    """Note a pause or its end, so that the time between does not count against the deadline."""
    current = find(kept, "Progressing")
    if deadline(deployment) is None or (current is not None and current.get("reason") == TIMED_OUT):
        return [*kept]
    paused = bool(meta.get(deployment, "spec", "paused", default=False))
    was_paused = current is not None and current.get("reason") == PAUSED
    if paused and not was_paused:
        return set_condition(kept, progressing("Unknown", PAUSED, "Deployment is paused"), now)
    if was_paused and not paused:
        resumed = progressing("Unknown", "DeploymentResumed", "Deployment is resumed")
        return set_condition(kept, resumed, now)
    return [*kept]


def calculate(deployment: Object, family: Family, kept: Sequence[Condition], now: datetime) -> Object:
    """The numbers, and the Available condition."""
    everyone = family.all
    available = status_count(everyone, "availableReplicas")
    running = status_count(everyone, "replicas")
    counts = {
        "observedGeneration": meta.generation(deployment),
        "replicas": running,
        "updatedReplicas": status_count([family.new] if family.new is not None else [], "replicas"),
        "readyReplicas": status_count(everyone, "readyReplicas"),
        "availableReplicas": available,
        "unavailableReplicas": max(running - available, 0),
    }
    status: Object = {name: count for name, count in counts.items() if count}
    status["terminatingReplicas"] = status_count(everyone, "terminatingReplicas")
    collisions = meta.get(deployment, "status", "collisionCount")
    if collisions is not None:
        status["collisionCount"] = collisions
    enough = available >= replicas(deployment) - max_unavailable(deployment)
    condition = {
        "type": "Available",
        "status": "True" if enough else "False",
        "reason": "MinimumReplicasAvailable" if enough else "MinimumReplicasUnavailable",
        "message": f"Deployment {'has' if enough else 'does not have'} minimum availability.",
    }
    return status | {"conditions": set_condition(kept, condition, now)}


def of_rollout(deployment: Object, family: Family, kept: Sequence[Condition], now: datetime) -> Object:
    """The status during and after a rollout."""
    status = calculate(deployment, family, kept, now)
    status["conditions"] = _with_failures(family, _with_progress(deployment, family, status, now), now)
    return status


def _with_progress(deployment: Object, family: Family, status: Object, now: datetime) -> list[Condition]:
    kept: list[Condition] = status["conditions"]
    current = find(kept, "Progressing")
    if deadline(deployment) is None:
        return conditions.remove(kept, "Progressing")
    done_before = current is not None and current.get("reason") == AVAILABLE
    if done_before and status.get("replicas", 0) == status.get("updatedReplicas", 0):
        return kept
    what = f'ReplicaSet "{meta.name(family.new)}"' if family.new is not None else _named(deployment)
    if is_complete(deployment, status):
        done = progressing("True", AVAILABLE, f"{what} has successfully progressed.")
        return set_condition(kept, done, now)
    if _has_progressed(deployment.get("status") or {}, status):
        moved = progressing("True", "ReplicaSetUpdated", f"{what} is progressing.")
        at = meta.format_time(now)
        since = current["lastTransitionTime"] if current and current["status"] == "True" else at
        others = conditions.remove(kept, "Progressing")
        return [*others, {**moved, "lastUpdateTime": at, "lastTransitionTime": since}]
    if _is_timed_out(deployment, current, now):
        late = progressing("False", TIMED_OUT, f"{what} has timed out progressing.")
        return set_condition(kept, late, now)
    return kept


def _named(deployment: Object) -> str:
    return f'Deployment "{meta.name(deployment)}"'


def _with_failures(family: Family, kept: Sequence[Condition], now: datetime) -> list[Condition]:
    """Show the ReplicaFailure of the new ReplicaSet, or of another one."""
    candidates = [*([family.new] if family.new is not None else []), *family.old]
    for each in candidates:
        failure = conditions.find(each, "ReplicaFailure")
        if failure is not None:
            shown = {part: failure.get(part, "") for part in ("type", "status", "reason", "message")}
            return set_condition(kept, shown, now)
    return conditions.remove(kept, "ReplicaFailure")


def is_complete(deployment: Object, status: Object) -> bool:
    """True when all pods have the present template and are available."""
    numbers = [status.get(part, 0) for part in ("updatedReplicas", "replicas", "availableReplicas")]
    observed = status.get("observedGeneration", 0)
    return numbers == [replicas(deployment)] * 3 and observed >= meta.generation(deployment)


def _has_progressed(old: Object, new: Object) -> bool:
    """True when a number has changed for the better."""

    def number(status: Object, name: str) -> int:
        return int(status.get(name) or 0)

    def of_old_template(status: Object) -> int:
        return number(status, "replicas") - number(status, "updatedReplicas")

    better = ("updatedReplicas", "readyReplicas", "availableReplicas")
    return of_old_template(new) < of_old_template(old) or any(
        number(new, name) > number(old, name) for name in better
    )


def _is_timed_out(deployment: Object, current: Condition | None, now: datetime) -> bool:
    limit = deadline(deployment)
    if current is None or limit is None or current.get("reason") == AVAILABLE:
        return False
    if current.get("reason") == TIMED_OUT:
        return True
    return meta.parse_time(current["lastUpdateTime"]) + limit < now


def seconds_to_deadline(deployment: Object, status: Object, now: datetime) -> float | None:
    """When to look whether the rollout has stood still for too long; None when that cannot happen."""
    current, limit = find(status["conditions"], "Progressing"), deadline(deployment)
    if current is None or limit is None or is_complete(deployment, status):
        return None
    if current.get("reason") == TIMED_OUT:
        return None
    left = meta.parse_time(current["lastUpdateTime"]) + limit - now
    return max(left.total_seconds(), 0.0) + 1.0
