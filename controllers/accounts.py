"""Shell: each controller calls the API as a ServiceAccount of its own, which may do only its part.

    the manager itself -- TokenRequest --> token of the account --> the controller's client, renewed in time

All accounts are made when the manager begins to lead; one that goes missing later is made anew. They share
the manager's connections: a token goes with each request.

After: k8s staging/src/k8s.io/controller-manager/pkg/clientbuilder/client_builder_dynamic.go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import datetime, timedelta

from kube.api import errors, meta
from kube.api.errors import StatusError
from kube.api.resources import SERVICE_ACCOUNTS
from kube.base.clock import Clock
from kube.base.logs import logger
from kube.client.rest import Client

log = logger(__name__)

NAMESPACE = "kube-system"
EXPIRATION_SECONDS = 3600
# A token is renewed when so much of its time is over.
RENEWED_AFTER = 0.8


class Account:
    """One ServiceAccount; a kube.client.rest.TokenSource."""

    def __init__(self, client: Client, name: str, clock: Clock) -> None:
        self._client, self._name, self._clock = client, name, clock
        self._token = ""
        self._renew_at: datetime | None = None
        self._asking = asyncio.Lock()

    async def token(self) -> str:
        """One that is good for a while yet."""
        async with self._asking:
            if self._renew_at is None or self._clock.now() >= self._renew_at:
                await self._ask()
        return self._token

    def refused(self, token: str) -> None:
        """It is good no longer: the account was deleted, and perhaps made anew."""
        if token == self._token:
            self._renew_at = None

    async def _ask(self) -> None:
        now = self._clock.now()
        try:
            answer = await self._request()
        except StatusError as error:
            if not errors.is_not_found(error):
                raise
            await _make(self._client, self._name)
            answer = await self._request()
        expires_at = meta.parse_time(answer["status"]["expirationTimestamp"])
        self._token = answer["status"]["token"]
        self._renew_at = now + max((expires_at - now) * RENEWED_AFTER, timedelta())

    async def _request(self) -> meta.Object:
        wish = {"spec": {"expirationSeconds": EXPIRATION_SECONDS}}
        return await self._client.create(SERVICE_ACCOUNTS, wish, NAMESPACE, "token", self._name)


async def make_missing(client: Client, names: Iterable[str]) -> None:
    """Make the accounts that are not there, so that people see them before they are needed."""
    for name in names:
        try:
            await client.get(SERVICE_ACCOUNTS, NAMESPACE, name)
        except StatusError as error:
            if not errors.is_not_found(error):
                raise
            await _make(client, name)


async def _make(client: Client, name: str) -> None:
    try:
        await client.create(SERVICE_ACCOUNTS, {"metadata": {"name": name, "namespace": NAMESPACE}})
    except StatusError as error:
        if not errors.is_already_exists(error):
            raise
    else:
        log.info("made the account of a controller", account=name)
