"""Core: how many seats a request takes: one, but for lists of many objects.

A list of thousands keeps the one thread of this server for long, so it counts as several requests. Objects
are counted where a list looks at them: in its namespace, whatever the selector and the limit leave of them.

After: k8s staging/src/k8s.io/apiserver/pkg/util/flowcontrol/request/list_work_estimator.go,
seatsBasedOnObjectCount for lists from the cache
"""

from __future__ import annotations

from sortedcontainers import SortedDict

OBJECTS_PER_SEAT = 100
SEATS_MAX = 10


def seats_of_list(objects: SortedDict[str, object], namespace: str, name: str) -> int:
    """For a list of the objects of a namespace (all, if empty), or of the one with this name."""
    if name or len(objects) <= OBJECTS_PER_SEAT:
        return 1
    count = len(objects)
    if namespace:
        # The keys of a namespace lie between "namespace/" and "namespace0".
        count = objects.bisect_left(f"{namespace}0") - objects.bisect_left(f"{namespace}/")
    return max(1, min(SEATS_MAX, -(-count // OBJECTS_PER_SEAT)))
