"""Shell: tells a caller, whatever the answer is, what others have to say to him: that he should exchange his
credential for a better one, or what admission thinks of what he wrote.

After: k8s staging/src/k8s.io/apiserver/pkg/endpoints/filters/warning.go
"""

from __future__ import annotations

from starlette.responses import Response

from apiserver.handlers.warnings import warn
from apiserver.request import ApiRequest, Handler
from apiserver.server import Server


def warn_caller(_: Server, inner: Handler) -> Handler:
    """Add the warnings that were left in the request."""

    async def handle(request: ApiRequest) -> Response:
        response = await inner(request)
        return warn(response, request.warnings)

    return handle
