"""An API server and a webhook server beside it, and short words for what their tests need."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from apiserver.admission.chain import CREATE, Attributes
from kube.api.errors import StatusError
from kube.api.resources import CONFIG_MAPS
from tests.support.api_server import ADMIN, Api
from tests.support.webhook_server import WebhookServer, configuration

SPACE = "/api/v1/namespaces/default"
MAPS = f"{SPACE}/configmaps"
REGISTRATION = "/apis/admissionregistration.k8s.io/v1"


@dataclass
class Hooked:
    """An API server, and a server whose webhooks it may be told to ask."""

    api: Api
    server: WebhookServer

    async def mutating(self, name: str, *webhooks: dict[str, Any]) -> None:
        await self.register(configuration("Mutating", name, *webhooks))

    async def validating(self, name: str, *webhooks: dict[str, Any]) -> None:
        await self.register(configuration("Validating", name, *webhooks))

    async def register(self, o: dict[str, Any]) -> None:
        await self.api.ok("POST", f"{REGISTRATION}/{o['kind'].lower()}s", o)
        await self.api.server.cache.consistent()

    async def audited(self) -> dict[str, str]:
        """What the audit log is told of the creation of a ConfigMap, be it refused or not."""
        asked = Attributes(CREATE, CONFIG_MAPS, "default", "m", ADMIN)
        o = {"apiVersion": "v1", "kind": "ConfigMap", **config_map()}
        o["metadata"]["namespace"] = "default"
        with suppress(StatusError):
            await self.api.server.registry.create(asked, o)
        return asked.annotations


def config_map(name: str = "m", **labels: str) -> dict[str, Any]:
    metadata = {"name": name, **({"labels": labels} if labels else {})}
    return {"metadata": metadata, "data": {"a": "1"}}


def pod(name: str = "p") -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
