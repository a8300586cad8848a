"""Core: decides what the rules of a ClusterRole are that is made of others.

After: k8s pkg/controller/clusterroleaggregation/clusterroleaggregation_controller.go
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kube.api import meta
from kube.api.actions import Action, Update
from kube.api.labels import Selector
from kube.api.meta import Object
from kube.api.resources import CLUSTER_ROLES


@dataclass(frozen=True, slots=True)
class Seen:
    """The role, and all roles there are."""

    role: Object
    roles: Sequence[Object]


def is_aggregated(role: Object) -> bool:
    """True for a role whose rules come from others."""
    return bool(meta.get(role, "aggregationRule", "clusterRoleSelectors", default=[]))


def plan(seen: Seen, _: datetime) -> list[Action]:
    """Write down the rules of all roles that are selected, each once, in the order of the roles' names."""
    role = seen.role
    if not is_aggregated(role):
        return []
    rules: list[dict[str, Any]] = []
    for selected in role["aggregationRule"]["clusterRoleSelectors"]:
        selector = Selector.from_label_selector(selected)
        for other in sorted(seen.roles, key=meta.name):
            if meta.name(other) != meta.name(role) and selector.matches(meta.labels(other)):
                rules += [each for each in other.get("rules") or [] if each not in rules]
    if rules == (role.get("rules") or []):
        return []
    return [Update(CLUSTER_ROLES, {**role, "rules": rules})]
