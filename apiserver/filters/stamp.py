"""Shell: what every answer carries: a number under which the request is known, and that nobody may keep it.

After: k8s staging/src/k8s.io/apiserver/pkg/endpoints/filters/{audit_init,cachecontrol}.go
"""

from __future__ import annotations

from starlette.responses import Response

from apiserver.request import ApiRequest, Handler
from apiserver.server import Server

AUDIT_ID_CHARS_MAX = 64
CACHE_CONTROL = (b"cache-control", b"no-cache, private")


def stamp(server: Server, inner: Handler) -> Handler:
    """Add Audit-Id (the client's own, where it sent one) and Cache-Control."""

    async def handle(request: ApiRequest) -> Response:
        response = await inner(request)
        audit_id = request.headers.get("audit-id", "")[:AUDIT_ID_CHARS_MAX] or server.new_uid()
        headers = response.raw_headers
        headers.append((b"audit-id", audit_id.encode("latin-1")))
        if not any(name == CACHE_CONTROL[0] for name, _ in headers):
            headers.append(CACHE_CONTROL)
        return response

    return handle
