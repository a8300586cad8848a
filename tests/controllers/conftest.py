"""All controllers at work on a real API server, in this process; pods are moved along by the test itself."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest

from controllers.main import CONTROLLERS, Manager, Settings
from kube.api import errors
from kube.api.errors import StatusError
from kube.api.meta import Object
from kube.api.resources import EVENTS, PODS, Resource
from kube.base.tasks import Tasks
from kube.client.rest import Client
from tests.support.api_server import Api, serving
from tests.support.in_process import client_of
from tests.support.wait import until_async


@dataclass
class Managed:
    """A cluster without nodes."""

    client: Client

    async def pods(self, selector: str = "app=web", namespace: str = "default") -> list[Object]:
        answer = await self.client.list(PODS, namespace, selector)
        return [each for each in answer["items"] if "deletionTimestamp" not in each["metadata"]]

    async def until_pods(self, count: int, selector: str = "app=web") -> list[Object]:
        async def check() -> list[Object] | bool:
            found = await self.pods(selector)
            return (found or True) if len(found) == count else False

        found = await until_async(f"{count} pods {selector}", check)
        return found if isinstance(found, list) else []

    async def run_pods(self, selector: str = "app=web") -> None:
        """Play the kubelet: all pods become ready."""
        for pod in await self.pods(selector):
            ready = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
            status = {"phase": "Running", "conditions": [ready]}
            try:
                await self.client.patch(
                    PODS, "default", pod["metadata"]["name"], {"status": status}, subresource="status"
                )
            except StatusError as error:
                if not errors.is_not_found(error):
                    raise

    async def get(self, resource: Resource, name: str, namespace: str | None = "default") -> Object | None:
        try:
            return await self.client.get(resource, namespace, name)
        except StatusError as error:
            if errors.is_not_found(error):
                return None
            raise

    async def until(
        self, resource: Resource, name: str, what: Callable[[Object], Any], namespace: str | None = "default"
    ) -> Object:
        """Wait until an object is there and as wanted."""

        async def check() -> Object | None:
            found = await self.get(resource, name, namespace)
            return found if found is not None and what(found) else None

        found = await until_async(f"{resource.singular} {name}", check)
        assert found is not None
        return found

    async def roll_out(self, resource: Resource, name: str, what: Callable[[Object], Any]) -> Object:
        """Play the kubelet until an object is as wanted."""

        async def check() -> Object | None:
            await self.run_pods()
            found = await self.get(resource, name)
            return found if found is not None and what(found) else None

        found = await until_async(f"{resource.singular} {name}", check)
        assert found is not None
        return found

    async def until_gone(self, resource: Resource, name: str, namespace: str | None = "default") -> None:
        async def check() -> bool:
            return await self.get(resource, name, namespace) is None

        await until_async(f"{resource.singular} {name} is gone", check)

    async def messages(self, reason: str, count: int = 1) -> list[str]:
        """What the Events of a reason say, oldest first, once there are that many."""

        async def check() -> list[str]:
            items = (await self.client.list(EVENTS, "default", field_selector=f"reason={reason}"))["items"]
            items.sort(key=lambda event: str(event["metadata"]["name"].rpartition(".")[2]))
            return [event["message"] for event in items] if len(items) >= count else []

        return await until_async(f"{count} events {reason}", check)


@asynccontextmanager
async def leading(api: Api, settings: Settings, names: Sequence[str]) -> AsyncIterator[None]:
    """A manager of the controllers of these names leads until the block ends."""
    async with Tasks() as tasks:
        own = client_of(api, "kube-controller-manager")
        tasks.start("controllers", Manager(own, settings, 3, names).lead)
        yield
        await tasks.cancel()
        await own.close()


@asynccontextmanager
async def managing(settings: Settings, names: Sequence[str] = tuple(CONTROLLERS)) -> AsyncIterator[Managed]:
    """An API server and the controllers of these names, each under its own account and role."""
    async with serving() as api, leading(api, replace(settings, own_accounts=True), names):
        client = client_of(api, "test")
        yield Managed(client)
        await client.close()


@pytest.fixture
async def managed() -> AsyncIterator[Managed]:
    async with managing(Settings(root_ca="THE-CA")) as found:
        yield found
