"""Shell: large answers are compressed for clients that take gzip; clients on the same machine need not ask.

A thread compresses, since several megabytes would keep all other requests waiting.

After: k8s staging/src/k8s.io/apiserver/pkg/endpoints/handlers/responsewriters/writers.go,
deferredResponseWriter
"""

from __future__ import annotations

import asyncio
import gzip

from starlette.responses import Response

from apiserver.request import ApiRequest, Handler
from apiserver.server import Server

GZIP_BYTES_MIN = 128 * 1024
# The fastest one.
LEVEL = 1


def compress(_: Server, inner: Handler) -> Handler:
    """Compress the body of a large answer; streams have none."""

    async def handle(request: ApiRequest) -> Response:
        response = await inner(request)
        if _is_large(response) and request.method == "GET" and _takes_gzip(request):
            response.body = await asyncio.to_thread(gzip.compress, response.body, LEVEL, mtime=0)
            response.headers["Content-Length"] = str(len(response.body))
            response.headers["Content-Encoding"] = "gzip"
            response.headers.append("Vary", "Accept-Encoding")
        return response

    return handle


def _is_large(response: Response) -> bool:
    # A stream has no body.
    body = getattr(response, "body", b"")
    return len(body) > GZIP_BYTES_MIN and "content-encoding" not in response.headers


def _takes_gzip(request: ApiRequest) -> bool:
    accepted = request.headers.get("accept-encoding", "")
    return any(each.partition(";")[0].strip() == "gzip" for each in accepted.split(","))
