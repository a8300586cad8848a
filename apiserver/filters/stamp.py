"""Shell: what every answer carries: a number under which the request is known, that nobody may keep it, and
what the filters inside have left in the request.

After: k8s staging/src/k8s.io/apiserver/pkg/endpoints/filters/{audit_init,cachecontrol}.go
"""

from __future__ import annotations

from starlette.responses import Response

from apiserver.request import ApiRequest, Handler
from apiserver.server import Server

CACHE_CONTROL = (b"cache-control", b"no-cache, private")


def stamp(server: Server, inner: Handler) -> Handler:
    """Give the request its number (the client's own, where it sent one), and add that, Cache-Control and its
    stamps.
    """

    async def handle(request: ApiRequest) -> Response:
        request.audit_id = request.headers.get("audit-id", "") or server.new_uid()
        response = await inner(request)
        headers = response.raw_headers
        headers.append((b"audit-id", request.audit_id.encode("latin-1")))
        if not any(name == CACHE_CONTROL[0] for name, _ in headers):
            headers.append(CACHE_CONTROL)
        headers.extend(request.stamps)
        return response

    return handle
