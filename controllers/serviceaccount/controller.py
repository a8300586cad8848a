"""Shell: looks at a namespace when it or its default ServiceAccount changes."""

from __future__ import annotations

from datetime import datetime

from controllers.serviceaccount.plan import NAME, Seen, plan
from controllers.wiring import Wiring
from kube.api import meta
from kube.api.actions import Action
from kube.api.meta import Object
from kube.api.resources import NAMESPACES, SERVICE_ACCOUNTS
from kube.client.informer import InformerFactory
from kube.controller.controller import Controller


class ServiceAccountReconciler:
    """Observes and plans for one namespace; keys are names of namespaces."""

    def __init__(self, informers: InformerFactory) -> None:
        self._namespaces = informers.informer(NAMESPACES)
        self._accounts = informers.informer(SERVICE_ACCOUNTS)

    async def observe(self, key: str) -> Seen | None:
        namespace = self._namespaces.store.get(key)
        return Seen(namespace, self._accounts.store.get(f"{key}/{NAME}")) if namespace is not None else None

    def plan(self, seen: Seen, now: datetime) -> list[Action]:
        return plan(seen, now)


def keys_of_account(account: Object) -> list[str]:
    """Only the default account concerns its namespace."""
    return [meta.namespace(account)] if meta.name(account) == NAME else []


def build(wiring: Wiring) -> Controller[Seen]:
    """The controller, woken by namespaces and default ServiceAccounts."""
    controller = wiring.controller(
        "service-account-controller", "serviceaccount", ServiceAccountReconciler(wiring.informers)
    )
    controller.watch(wiring.informers.informer(NAMESPACES))
    controller.watch(wiring.informers.informer(SERVICE_ACCOUNTS), keys_of_account)
    return controller
