"""Core: the resources that can hold objects to be deleted: one for each place in the store.

Some kinds are served in two groups or versions (Events, HorizontalPodAutoscalers); what matters here is where
they are stored, so each counts once.
"""

from __future__ import annotations

from kube.api.resources import RESOURCES, Resource


def deletable(*, namespaced_only: bool = False) -> list[Resource]:
    """All resources that can be listed, watched and deleted, in the order of the table."""
    found: dict[str, Resource] = {}
    for each in RESOURCES:
        if {"list", "watch", "delete"} <= set(each.verbs) and (each.namespaced or not namespaced_only):
            found.setdefault(each.storage_prefix(), each)
    return list(found.values())
