"""Shell: GET /pods: the pods of the node, as the API server has them."""

from __future__ import annotations

import orjson
from aiohttp import web

from kubelet.server.served import Served


async def list_pods(served: Served, _: web.Request) -> web.StreamResponse:
    """Answer with a PodList."""
    pods = {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": served.pods.list()}
    return web.Response(body=orjson.dumps(pods), content_type="application/json")
