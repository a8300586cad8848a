"""Shell: POST of a new object."""

from __future__ import annotations

from starlette.responses import Response

from apiserver.admission.chain import CREATE
from apiserver.handlers.body import attributes, place, read_object
from apiserver.handlers.options import WriteOptions
from apiserver.handlers.respond import respond_object
from apiserver.registry.conversion import to_stored
from apiserver.registry.registry import UNVERSIONED
from apiserver.registry.validation import check_version
from apiserver.request import ApiRequest
from apiserver.server import Server
from kube.api import errors, meta


async def create(server: Server, request: ApiRequest) -> Response:
    """Answer 201 with the object as it was stored."""
    options = WriteOptions.read("CreateOptions", request.query_params)
    o, warnings = await read_object(request, options)
    if request.kind.namespaced and not request.info.namespace:
        raise errors.method_not_allowed()
    place(request, o)
    if meta.resource_version(o) not in UNVERSIONED:
        raise errors.unnamed("resourceVersion should not be set on objects to be created")
    asked = attributes(request, CREATE, dry_run=options.dry_run)
    stored = to_stored(request.kind, o)
    check_version(request.kind, stored)
    created = await server.registry.create(asked, stored)
    return respond_object(request, created, server.clock.now(), 201, warnings)
