"""Shell: lets in who may: the API server shows its certificate and names for whom it asks; whether that one
may, it is asked itself (SubjectAccessReview).

Others may come without it: with a certificate of the cluster's, or a token (TokenReview).

After: k8s staging/src/k8s.io/apiserver/pkg/server/options/{authentication,authorization}.go
"""

from __future__ import annotations

import asyncio
import ssl

from aiohttp import web

from kube.api import errors, front_proxy
from kube.api.errors import StatusError
from kube.api.resources import CONFIG_MAPS
from kube.api.reviews import Caller
from kube.base.backoff import Backoff
from kube.base.logs import logger
from kube.client.rest import Client, ConnectionFailed
from kube.client.reviews import Reviews, Unreviewed
from metrics_server.asked import Asked
from metrics_server.trust import Trust

log = logger(__name__)

ALLOWED_SECONDS, FORBIDDEN_SECONDS = 10.0, 10.0
# How often what the API server publishes is read again.
REFRESH_SECONDS = 60.0
RETRY_SECONDS_MIN, RETRY_SECONDS_MAX = 0.2, 5.0


async def read_trust(client: Client) -> Trust:
    """What the API server publishes, as soon as it does."""
    backoff = Backoff(RETRY_SECONDS_MIN, RETRY_SECONDS_MAX)
    while True:
        try:
            found = await client.get(CONFIG_MAPS, front_proxy.NAMESPACE, front_proxy.CONFIG_MAP)
            if (trust := Trust.of(found)).proxy_ca:
                return trust
            log.warning("the API server names no authority of front proxies yet")
        except (StatusError, ConnectionFailed, ValueError) as error:
            log.warning("cannot read whom to believe, will retry", error=error)
        await asyncio.sleep(backoff.next())


class Gate:
    """Who may come in; `context` is the TLS context of the port, which must know the authorities."""

    def __init__(self, client: Client, context: ssl.SSLContext, trust: Trust) -> None:
        self._client, self._context, self._trust = client, context, trust
        self._reviews = Reviews(client, ALLOWED_SECONDS, FORBIDDEN_SECONDS)
        # Who shows a certificate is asked who he is; who shows none may have a token.
        context.verify_mode = ssl.CERT_OPTIONAL
        context.load_verify_locations(cadata=trust.authorities)

    async def run(self) -> None:
        """Follow what the API server publishes, until cancelled."""
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            trust = await read_trust(self._client)
            if trust != self._trust:
                log.info("others are believed from now on")
                self._context.load_verify_locations(cadata=trust.authorities)
                self._trust = trust

    async def check(self, request: web.Request, asked: Asked) -> None:
        """StatusError 401, 403 or 500 for who may not."""
        caller = self._by_certificate(request)
        caller = caller or await self._reviews.by_token(request.headers.get("Authorization", ""))
        if caller is None:
            raise errors.unauthorized()
        try:
            allowed = await self._reviews.allows(caller, asked.attributes())
        except Unreviewed as error:
            raise errors.internal("the API server does not say who may do this") from error
        if not allowed:
            raise asked.forbidden(caller)

    def _by_certificate(self, request: web.Request) -> Caller | None:
        tls: ssl.SSLObject | None = request.get_extra_info("ssl_object")
        encoded = tls.getpeercert(binary_form=True) if tls else None
        if tls is None or encoded is None:
            return None
        return self._trust.caller(tls.getpeercert() or {}, encoded, list(request.headers.items()))
