"""Shell: finds out who calls: by a proxy's headers, a bearer token, else the client certificate of the
connection, else anonymous.

A token that is not valid is refused, even beside a valid certificate: whoever shows one means it. A page in a
browser, which can give a WebSocket no header, has its token among the protocols that it offers.

After: k8s staging/src/k8s.io/apiserver/pkg/endpoints/filters/authentication.go,
staging/src/k8s.io/apiserver/pkg/authentication/request/websocket/protocol.go
"""

from __future__ import annotations

import base64

from starlette.responses import Response

from apiserver.authentication.authenticator import NOBODY, Peer
from apiserver.authentication.user import User
from apiserver.filters.audit import audit_refusal
from apiserver.http_protocol import OFFERED_PROTOCOLS, TOKEN_PROTOCOL
from apiserver.request import ApiRequest, Handler
from apiserver.server import Server
from kube.api import errors
from kube.api.errors import StatusError


def authenticate(server: Server, inner: Handler) -> Handler:
    """Fill in `caller`; StatusError 401 for a bad token."""

    async def handle(request: ApiRequest) -> Response:
        try:
            request.caller = await identify(server, request)
        except StatusError as error:
            await audit_refusal(server, request, error)
            raise
        request.warnings.extend(request.caller.warnings)
        return await inner(request)

    return handle


async def identify(server: Server, request: ApiRequest) -> User:
    """Who calls; StatusError 401 where nobody knows him.

    A token is looked at again once the cache is up to date: another server may have just made its account,
    or the pod it is bound to.
    """
    known = server.authenticator
    peer: Peer = request.scope.get("state", {}).get("peer", NOBODY)
    user = known.by_headers(peer, request.headers.items())
    if user is None:
        token = _token(request)
        user = known.by_token(token) if token else known.by_certificate(peer)
        if user is None and token:
            await server.cache.consistent()
            user = known.by_token(token)
    if user is None:
        raise errors.unauthorized()
    return user


def _token(request: ApiRequest) -> str:
    """The token that is shown, if one is; StatusError 401 for one that cannot be read."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    offered = request.headers.get(OFFERED_PROTOCOLS.decode(), "").replace(" ", "").split(",")
    shown = next((each for each in offered if each.startswith(TOKEN_PROTOCOL)), "")
    if not shown:
        return ""
    encoded = shown.removeprefix(TOKEN_PROTOCOL)
    try:
        return base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True).decode()
    except ValueError as error:
        raise errors.unauthorized() from error
