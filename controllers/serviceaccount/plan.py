"""Core: decides whether a namespace lacks its default ServiceAccount, without which no pod can be made in it.

After: k8s pkg/controller/serviceaccount/serviceaccounts_controller.go.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from kube.api import meta
from kube.api.actions import Action, Create
from kube.api.meta import Object
from kube.api.resources import SERVICE_ACCOUNTS

NAME = "default"


@dataclass(frozen=True, slots=True)
class Seen:
    """The namespace, and its default ServiceAccount if it has one."""

    namespace: Object
    account: Object | None


def plan(seen: Seen, _: datetime) -> list[Action]:
    """Create what is missing, unless the namespace is on its way out."""
    if seen.account is not None or meta.is_terminating(seen.namespace):
        return []
    account = {"metadata": {"name": NAME, "namespace": meta.name(seen.namespace)}}
    return [Create(SERVICE_ACCOUNTS, account)]
