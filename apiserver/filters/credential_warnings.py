"""Shell: warns whoever shows a credential that he should exchange for a better one, whatever the answer is.

After: k8s staging/src/k8s.io/apiserver/pkg/endpoints/filters/warning.go
"""

from __future__ import annotations

from starlette.responses import Response

from apiserver.handlers.warnings import warn
from apiserver.request import ApiRequest, Handler
from apiserver.server import Server


def warn_of_credential(_: Server, inner: Handler) -> Handler:
    """Add the warnings that authentication has left in the request."""

    async def handle(request: ApiRequest) -> Response:
        response = await inner(request)
        return warn(response, request.credential_warnings)

    return handle
