"""Shell: finds out who calls: a bearer token, else the client certificate of the connection, else anonymous.

A token that is not valid is refused, even beside a valid certificate: whoever shows one means it.

After: k8s staging/src/k8s.io/apiserver/pkg/endpoints/filters/authentication.go
"""

from __future__ import annotations

from starlette.responses import Response

from apiserver.authentication.user import User, anonymous
from apiserver.request import ApiRequest, Handler
from apiserver.server import Server
from kube.api import errors


def authenticate(server: Server, inner: Handler) -> Handler:
    """Fill in `caller`; StatusError 401 for a bad token."""

    async def handle(request: ApiRequest) -> Response:
        request.caller = identify(server, request)
        return await inner(request)

    return handle


def identify(server: Server, request: ApiRequest) -> User:
    """Who calls."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        user = server.tokens.authenticate(token.strip())
        if user is None:
            raise errors.unauthorized()
        return user
    peer: User | None = request.scope.get("state", {}).get("peer")
    return peer or anonymous()
