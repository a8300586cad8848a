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

import ssl
from collections.abc import Awaitable, Callable

from aiohttp import web

from kube.api.reviews import Caller, by_subject
from kube.client.rest import Client
from kube.client.reviews import Reviews, Unreviewed
from kubelet.server.access import attributes, cannot_tell, forbidden, subresources_of, verb_of

ALLOWED_SECONDS = 300.0
FORBIDDEN_SECONDS = 30.0

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Gate:
    """The gate of one node's port."""

    def __init__(self, client: Client, node_name: str) -> None:
        self._reviews, self._node_name = Reviews(client, ALLOWED_SECONDS, FORBIDDEN_SECONDS), node_name

    async def pass_through(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer if the caller may ask that; aiohttp's 401, 403 or 500 if not."""
        tls: ssl.SSLObject | None = request.get_extra_info("ssl_object")
        caller = by_subject(tls.getpeercert() if tls else None)
        caller = caller or await self._reviews.by_token(request.headers.get("Authorization", ""))
        if caller is None:
            raise web.HTTPUnauthorized(text="Unauthorized")
        await self._ensure_allowed(caller, request)
        return await handler(request)

    async def _ensure_allowed(self, caller: Caller, request: web.Request) -> None:
        verb, subresources = verb_of(request.method), subresources_of(request.path)
        for subresource in subresources:
            try:
                if await self._reviews.allows(caller, attributes(self._node_name, verb, subresource)):
                    return
            except Unreviewed as error:
                raise web.HTTPInternalServerError(text=cannot_tell(caller, verb, subresource)) from error
        raise web.HTTPForbidden(text=forbidden(caller, verb, subresources))
