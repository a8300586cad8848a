"""Shell: the policies that are bound to something, as the watch cache has them.

After: k8s staging/src/k8s.io/apiserver/pkg/admission/plugin/policy/generic/policy_source.go
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from apiserver.admission.policies.params import Misconfigured, param_resource
from apiserver.storage.watch_cache import WatchCache
from kube.api import meta
from kube.api.meta import Object
from kube.api.resources import (
    VALIDATING_ADMISSION_POLICIES,
    VALIDATING_ADMISSION_POLICY_BINDINGS,
    Resource,
)

KINDS = (VALIDATING_ADMISSION_POLICIES, VALIDATING_ADMISSION_POLICY_BINDINGS)


@dataclass(frozen=True, slots=True)
class Hook:
    """A policy, what its parameters are, and its bindings; error: why it cannot be applied."""

    policy: Object
    bindings: Sequence[Object]
    params: Resource | None = None
    error: str = ""


class Hooks:
    """Read anew when either kind has changed."""

    def __init__(self, cache: WatchCache) -> None:
        self._cache = cache
        self._hooks: Sequence[Hook] = ()
        self._seen: tuple[object, ...] = ()

    def now(self) -> Sequence[Hook]:
        """The hooks as the cache has them now, in the order of the policies' names."""
        logs = [self._cache.log(kind) for kind in KINDS]
        now = tuple((log, log.end_position) for log in logs)
        if now != self._seen:
            policies, bindings = ([entry.decode() for entry in log.objects.values()] for log in logs)
            self._hooks = build(policies, bindings)
            self._seen = now
        return self._hooks


def build(policies: Sequence[Object], bindings: Sequence[Object]) -> list[Hook]:
    """Policies with their bindings; without any a policy does nothing."""
    bound: dict[str, list[Object]] = {}
    for binding in bindings:
        bound.setdefault(binding["spec"]["policyName"], []).append(binding)
    return [_hook(each, bound[meta.name(each)]) for each in policies if meta.name(each) in bound]


def _hook(policy: Object, bindings: Sequence[Object]) -> Hook:
    kind = policy["spec"].get("paramKind")
    try:
        return Hook(policy, bindings, param_resource(kind) if kind else None)
    except Misconfigured as error:
        return Hook(policy, bindings, error=str(error))
