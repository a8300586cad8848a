"""Shell: notes on the request what its URL asks for (request_info), and the resource that means."""

from __future__ import annotations

from starlette.responses import Response

from apiserver.filters.request_info import request_info
from apiserver.request import ApiRequest, Handler
from apiserver.server import Server
from kube.api.gvk import GroupVersionResource
from kube.api.resources import by_gvr


def resolve(_: Server, inner: Handler) -> Handler:
    """Fill in `info` and `resource`."""

    async def handle(request: ApiRequest) -> Response:
        info = request_info(request.method, request.scope["path"], request.query_params)
        request.info = info
        if info.is_resource:
            request.resource = by_gvr(GroupVersionResource(info.group, info.version, info.plural))
        return await inner(request)

    return handle
