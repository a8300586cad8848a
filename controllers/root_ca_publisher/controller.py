"""Shell: looks at a namespace when it or its kube-root-ca.crt changes."""

from __future__ import annotations

from datetime import datetime

from controllers.root_ca_publisher.plan import NAME, Seen, plan
from controllers.wiring import Wiring
from kube.api import meta
from kube.api.actions import Action
from kube.api.meta import Object
from kube.api.resources import CONFIG_MAPS, NAMESPACES
from kube.client.informer import InformerFactory
from kube.controller.controller import Controller


class RootCaPublisher:
    """Observes and plans for one namespace; keys are names of namespaces."""

    def __init__(self, informers: InformerFactory, certificate: str) -> None:
        self._namespaces = informers.informer(NAMESPACES)
        self._config_maps = informers.informer(CONFIG_MAPS)
        self._certificate = certificate

    async def observe(self, key: str) -> Seen | None:
        namespace = self._namespaces.store.get(key)
        if namespace is None:
            return None
        return Seen(namespace, self._config_maps.store.get(f"{key}/{NAME}"), self._certificate)

    def plan(self, seen: Seen, now: datetime) -> list[Action]:
        return plan(seen, now)


def keys_of_config_map(config_map: Object) -> list[str]:
    """Only the published one concerns its namespace."""
    return [meta.namespace(config_map)] if meta.name(config_map) == NAME else []


def build(wiring: Wiring, certificate: str) -> Controller[Seen]:
    """The controller, woken by namespaces and their published ConfigMap."""
    publisher = RootCaPublisher(wiring.informers, certificate)
    controller = wiring.controller("root-ca-certificate-publisher", "root_ca_cert_publisher", publisher)
    controller.watch(wiring.informers.informer(NAMESPACES))
    controller.watch(wiring.informers.informer(CONFIG_MAPS), keys_of_config_map)
    return controller
