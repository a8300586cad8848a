"""Shell: lets in who may: every path of the kubelet's port asks who calls, and whether he may.

    certificate of the cluster's authority: CN and Os      -> caller
    bearer token: TokenReview                              -> caller
    caller + verb + nodes/<subresource>: SubjectAccessReview -> in, or 403

Answers of the API server are remembered for a while, as the kubelet does. The group system:masters, which
the API server's own certificate shows, may do all things in any cluster: for it nobody is asked, so that
logs and commands cost no review, and go on while the API server is away.

Absent: anonymous callers.
After: k8s cmd/kubelet/app/auth.go, BuildAuth; pkg/kubelet/server/server.go, InstallAuthFilter
"""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections.abc import Awaitable, Callable, Hashable, Mapping
from typing import Any, Generic, TypeVar

from aiohttp import web

from kube.api import meta
from kube.api.errors import StatusError
from kube.api.resources import SUBJECT_ACCESS_REVIEWS, TOKEN_REVIEWS
from kube.base.logs import logger
from kube.client.rest import Client, ConnectionFailed
from kubelet.server.access import Caller, cannot_tell, forbidden, review, subresources_of, verb_of

log = logger(__name__)

MASTERS = "system:masters"
AUTHENTICATED = "system:authenticated"
TOKEN_SECONDS = 120.0
ALLOWED_SECONDS = 300.0
FORBIDDEN_SECONDS = 30.0
# What is remembered at most; then the oldest goes.
REMEMBERED_MAX = 1024

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
T = TypeVar("T")


class Remembered(Generic[T]):
    """Answers, each for a time of its own."""

    def __init__(self) -> None:
        self._answers: dict[Hashable, tuple[float, T]] = {}

    def get(self, key: Hashable) -> T | None:
        """The answer, unless it is too old."""
        until, answer = self._answers.get(key, (0.0, None))
        return answer if asyncio.get_running_loop().time() < until else None

    def put(self, key: Hashable, answer: T, seconds: float) -> None:
        self._answers.pop(key, None)
        self._answers[key] = asyncio.get_running_loop().time() + seconds, answer
        while len(self._answers) > REMEMBERED_MAX:
            del self._answers[next(iter(self._answers))]


class Gate:
    """The gate of one node's port."""

    def __init__(self, client: Client, node_name: str) -> None:
        self._client, self._node_name = client, node_name
        self._callers: Remembered[Caller] = Remembered()
        self._verdicts: Remembered[bool] = Remembered()

    async def pass_through(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer if the caller may ask that; aiohttp's 401, 403 or 500 if not."""
        caller = _by_certificate(request) or await self._by_token(request)
        if caller is None:
            raise web.HTTPUnauthorized(text="Unauthorized")
        await self._ensure_allowed(caller, request)
        return await handler(request)

    async def _by_token(self, request: web.Request) -> Caller | None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            return None
        key = hashlib.sha256(token.encode()).digest()
        caller = self._callers.get(key)
        if caller is None and (caller := await self._reviewed(token.strip())):
            self._callers.put(key, caller, TOKEN_SECONDS)
        return caller

    async def _reviewed(self, token: str) -> Caller | None:
        """Whose token it is, as the API server says; None for a wrong one, and where it says nothing."""
        try:
            answer = await self._client.create(TOKEN_REVIEWS, {"spec": {"token": token}})
        except (StatusError, ConnectionFailed) as error:
            log.warning("cannot have a token reviewed", error=error)
            return None
        status = answer.get("status") or {}
        if not status.get("authenticated"):
            return None
        user = status.get("user") or {}
        groups, extra = user.get("groups") or (), user.get("extra") or {}
        return Caller(user.get("username", ""), groups, user.get("uid", ""), extra)

    async def _ensure_allowed(self, caller: Caller, request: web.Request) -> None:
        if MASTERS in caller.groups:
            return
        verb, subresources = verb_of(request.method), subresources_of(request.path)
        for subresource in subresources:
            if await self._is_allowed(caller, verb, subresource):
                return
        raise web.HTTPForbidden(text=forbidden(caller, verb, subresources))

    async def _is_allowed(self, caller: Caller, verb: str, subresource: str) -> bool:
        key = (caller.name, tuple(caller.groups), caller.uid, str(caller.extra), verb, subresource)
        verdict = self._verdicts.get(key)
        if verdict is not None:
            return verdict
        try:
            question = review(caller, self._node_name, verb, subresource)
            answer = await self._client.create(SUBJECT_ACCESS_REVIEWS, question)
        except (StatusError, ConnectionFailed) as error:
            log.warning("cannot have an access reviewed", user=caller.name, error=error)
            raise web.HTTPInternalServerError(text=cannot_tell(caller, verb, subresource)) from error
        allowed = bool(meta.get(answer, "status", "allowed", default=False))
        self._verdicts.put(key, allowed, ALLOWED_SECONDS if allowed else FORBIDDEN_SECONDS)
        return allowed


def _by_certificate(request: web.Request) -> Caller | None:
    """Whom the certificate names, which TLS has checked against --client-ca-file."""
    tls: ssl.SSLObject | None = request.get_extra_info("ssl_object")
    certificate: Mapping[str, Any] = (tls and tls.getpeercert()) or {}
    parts = [pair for pairs in certificate.get("subject", ()) for pair in pairs]
    name = next((value for key, value in parts if key == "commonName"), "")
    groups = [value for key, value in parts if key == "organizationName"]
    return Caller(name, (*groups, AUTHENTICATED)) if name else None
