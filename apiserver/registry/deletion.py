"""Core: decides what a DELETE does to an object: remove it, mark it, or nothing.

    finalizers or a grace period left?  no  -> Remove
                                        yes -> Keep(it, marked), and the last one out removes it

A pod's deletionTimestamp lies in the future: the moment its grace ends. Everyone else's is now. The
propagation policy is written down as a finalizer (foregroundDeletion, orphan) which the garbage collector
takes away when it has done its work.

After: k8s staging/src/k8s.io/apiserver/pkg/registry/rest/delete.go, BeforeDelete;
registry/generic/registry/store.go, deletionFinalizersForGarbageCollection
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from apiserver.registry.strategy import Errors, Strategy
from kube.api import meta
from kube.api.errors import FieldError
from kube.api.meta import Object

POLICIES = ("Foreground", "Background", "Orphan")
FOREGROUND, ORPHAN = "foregroundDeletion", "orphan"


@dataclass(frozen=True, slots=True)
class DeleteOptions:
    """What a DELETE asks for; None where it asks for nothing."""

    grace_period_seconds: int | None = None
    propagation_policy: str | None = None
    orphan_dependents: bool | None = None
    uid: str | None = None
    resource_version: str | None = None
    dry_run: bool = False

    @classmethod
    def read(cls, options: Mapping[str, Any]) -> DeleteOptions:
        """Read the DeleteOptions object of a body."""
        preconditions = options.get("preconditions") or {}
        return cls(
            options.get("gracePeriodSeconds"),
            options.get("propagationPolicy"),
            options.get("orphanDependents"),
            preconditions.get("uid"),
            preconditions.get("resourceVersion"),
            bool(options.get("dryRun")),
        )

    def written(self) -> dict[str, Any]:
        """What was read, as the fields of the object again."""
        preconditions = {"uid": self.uid, "resourceVersion": self.resource_version}
        fields = {
            "gracePeriodSeconds": self.grace_period_seconds,
            "preconditions": {key: value for key, value in preconditions.items() if value is not None}
            or None,
            "orphanDependents": self.orphan_dependents,
            "propagationPolicy": self.propagation_policy,
            "dryRun": ["All"] if self.dry_run else None,
        }
        return {key: value for key, value in fields.items() if value is not None}

    def errors(self) -> Errors:
        """What is wrong with the options themselves."""
        errors: Errors = []
        policy = self.propagation_policy
        if policy is not None and self.orphan_dependents is not None:
            text = "orphanDependents and deletionPropagation cannot be both set"
            errors.append(FieldError.invalid("propagationPolicy", policy, text))
        if policy is not None and policy not in POLICIES:
            errors.append(FieldError.not_supported("propagationPolicy", policy, (*POLICIES, "nil")))
        return errors


@dataclass(frozen=True, slots=True)
class Remove:
    """The object goes now."""


@dataclass(frozen=True, slots=True)
class Keep:
    """The object stays, changed so (or not at all, if `o` is None), until others have done their part."""

    o: Object | None


def plan_deletion(strategy: Strategy, o: Object, options: DeleteOptions, now: datetime) -> Remove | Keep:
    """Decide what a DELETE does; `o` is not changed."""
    finalizers = _finalizers(strategy, meta.finalizers(o), options)
    waits = _grace_seconds(o, options) if strategy.is_graceful else 0
    if not finalizers and not waits and not _is_held(o):
        return Remove()
    new = meta.deep_copy(o)
    metadata = new["metadata"]
    if finalizers != meta.finalizers(o):
        metadata["finalizers"] = finalizers
    _mark(strategy, metadata, waits, now)
    if "spec" in new and _is_held(new):
        new.setdefault("status", {})["phase"] = "Terminating"
    return Keep(new if new != o else None)


def is_finished(new: Object) -> bool:
    """An announced deletion for which nothing is left to wait."""
    metadata = new["metadata"]
    if not metadata.get("deletionTimestamp") or metadata.get("finalizers") or _is_held(new):
        return False
    return not metadata.get("deletionGracePeriodSeconds")


def _is_held(o: Object) -> bool:
    """True for a Namespace whose own finalizer is there: its contents are still to be deleted."""
    return o.get("kind") == "Namespace" and bool(meta.get(o, "spec", "finalizers"))


def _mark(strategy: Strategy, metadata: dict[str, Any], waits: int, now: datetime) -> None:
    """Write when the object goes; a second DELETE can only make it sooner."""
    if metadata.get("deletionTimestamp"):
        left = metadata.get("deletionGracePeriodSeconds") or 0
        if waits >= left:
            return
        announced = meta.parse_time(metadata["deletionTimestamp"]) - timedelta(seconds=left)
        metadata["deletionTimestamp"] = meta.format_time(announced + timedelta(seconds=waits))
        metadata["deletionGracePeriodSeconds"] = waits
        return
    metadata["deletionTimestamp"] = meta.format_time(now + timedelta(seconds=waits))
    metadata["deletionGracePeriodSeconds"] = waits
    if strategy.counts_generation or metadata.get("generation"):
        metadata["generation"] = (metadata.get("generation") or 0) + 1


def _grace_seconds(pod: Object, options: DeleteOptions) -> int:
    """How long a pod has; none if it never ran on a node or no longer does."""
    wanted = options.grace_period_seconds
    if wanted is None:
        wanted = meta.get(pod, "spec", "terminationGracePeriodSeconds", default=30)
        announced = pod["metadata"].get("deletionGracePeriodSeconds")
        if meta.is_terminating(pod) and announced is not None:
            wanted = announced
    never_ran = not meta.get(pod, "spec", "nodeName")
    ended = meta.get(pod, "status", "phase") in ("Succeeded", "Failed")
    return 0 if never_ran or ended else max(int(wanted), 1 if wanted < 0 else 0)


def _finalizers(strategy: Strategy, finalizers: list[str], options: DeleteOptions) -> list[str]:
    """The finalizers the propagation policy asks for."""
    policy = options.propagation_policy
    if policy is None and options.orphan_dependents is not None:
        policy = "Orphan" if options.orphan_dependents else "Background"
    if policy is None:
        if FOREGROUND in finalizers or ORPHAN in finalizers:
            return finalizers
        policy = "Orphan" if strategy.orphans_by_default else "Background"
    kept = [each for each in finalizers if each not in (FOREGROUND, ORPHAN)]
    if policy == "Foreground":
        kept.append(FOREGROUND)
    elif policy == "Orphan":
        kept.append(ORPHAN)
    return kept
