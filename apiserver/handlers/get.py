"""Shell: GET of one object, and of its status.

Reads see every write acknowledged before them, unless the client is content with whatever is in memory
(resourceVersion=0).
"""

from __future__ import annotations

from starlette.responses import Response

from apiserver.handlers.list_options import parse_version
from apiserver.handlers.respond import object_format, respond_bytes, respond_object
from apiserver.registry.conversion import is_stored
from apiserver.request import ApiRequest
from apiserver.server import Server
from apiserver.storage.entry import Entry
from kube.api import errors
from kube.api.negotiation import Format

PLAIN = Format()


async def get(server: Server, request: ApiRequest) -> Response:
    """Answer with the object."""
    wanted = object_format(request)
    entry = await find(server, request)
    if wanted == PLAIN and is_stored(request.kind):
        return respond_bytes(entry.data)
    return respond_object(request, entry.decode(), server.clock.now())


async def find(server: Server, request: ApiRequest) -> Entry:
    """The object's entry in the cache; StatusError 404."""
    version = parse_version(request.parameter("resourceVersion"))
    if version is None:
        await server.cache.consistent()
    elif version > 0:
        await server.cache.at_least_soon(version)
    info = request.info
    entry = server.cache.get(request.kind, info.namespace, info.name)
    if entry is None:
        server.cache.log(request.kind).check_readable(info.namespace, info.name)
        raise errors.not_found(request.kind, info.name)
    return entry
