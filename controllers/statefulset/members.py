"""Core: the pods of a StatefulSet in their order: which places are taken, which pods are beyond its size.

    ordinals.start=1, replicas=3:    web-1  web-2  (web-3 missing)  |  web-0  web-7 condemned

After: k8s pkg/controller/statefulset/stateful_set_control.go, updateStatefulSet (its first half);
stateful_set_utils.go, isUnavailable, getStatefulSetMaxUnavailable.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from controllers import pods
from controllers.statefulset.identity import ordinal, ordinals, replicas, start_ordinal
from kube.api import meta
from kube.api.meta import Object


@dataclass(frozen=True, slots=True)
class Members:
    """The pods by ordinal: `places` are all that there should be, None where one is missing."""

    stateful_set: Object
    places: dict[int, Object | None]
    condemned: dict[int, Object]
    now: datetime

    @property
    def present(self) -> list[Object]:
        """All pods that there are."""
        return [*(each for each in self.places.values() if each is not None), *self.condemned.values()]

    def is_ready(self, pod: Object) -> bool:
        return pods.phase(pod) == "Running" and pods.is_ready(pod)

    def is_available(self, pod: Object) -> bool:
        seconds = min_ready_seconds(self.stateful_set)
        return self.is_ready(pod) and pods.is_available(pod, seconds, self.now)

    def is_unavailable(self, pod: Object | None) -> bool:
        """True for what is missing, going, not ready, or not ready for long enough."""
        return pod is None or meta.is_terminating(pod) or not self.is_available(pod)

    def next_availability(self) -> float | None:
        """In how many seconds the next pod that is ready will be available."""
        seconds = min_ready_seconds(self.stateful_set)
        waits = [pods.available_in(each, seconds, self.now) for each in self.present if self.is_ready(each)]
        soonest = min((each for each in waits if each), default=timedelta(0))
        return soonest.total_seconds() if soonest else None


def line_up(stateful_set: Object, owned: Sequence[Object], now: datetime) -> Members:
    """Sort the pods into the set's places and those beyond; a pod of a foreign name has no place."""
    by_ordinal: dict[int, Object] = {}
    for pod in owned:
        place = ordinal(stateful_set, pod)
        if place is not None:
            by_ordinal[place] = pod
    wanted = ordinals(stateful_set)
    condemned = {place: by_ordinal[place] for place in sorted(by_ordinal) if place not in wanted}
    return Members(stateful_set, {place: by_ordinal.get(place) for place in wanted}, condemned, now)


def min_ready_seconds(stateful_set: Object) -> int:
    """How long a pod must have been ready to count as available."""
    return int(meta.get(stateful_set, "spec", "minReadySeconds", default=0))


def is_ordered(stateful_set: Object) -> bool:
    """True when one pod has to be available before the next comes or goes."""
    return bool(meta.get(stateful_set, "spec", "podManagementPolicy", default="") != "Parallel")


def is_rolling_update(stateful_set: Object) -> bool:
    """True unless somebody else is to delete old pods."""
    return bool(meta.get(stateful_set, "spec", "updateStrategy", "type", default="") != "OnDelete")


def partition(stateful_set: Object) -> int:
    """The ordinal below which pods keep the current revision."""
    path = ("spec", "updateStrategy", "rollingUpdate", "partition")
    return start_ordinal(stateful_set) + int(meta.get(stateful_set, *path, default=0))


def max_unavailable(stateful_set: Object) -> int:
    """How many pods an update may do without: at least one; a percentage is rounded down."""
    path = ("spec", "updateStrategy", "rollingUpdate", "maxUnavailable")
    given: Any = meta.get(stateful_set, *path, default=1)
    if isinstance(given, str):
        given = int(given.removesuffix("%")) * replicas(stateful_set) // 100
    return max(int(given), 1)
