"""Shell: the scale subresource: how many replicas an object is to have, whatever its kind.

After: k8s pkg/registry/apps/deployment/storage/storage.go, ScaleREST
"""

from __future__ import annotations

from collections.abc import Sequence

from starlette.responses import Response

from apiserver.admission.chain import UPDATE
from apiserver.handlers.body import attributes, place, read_object, wrong_name
from apiserver.handlers.get import find
from apiserver.handlers.options import WriteOptions
from apiserver.handlers.patch import read_patch
from apiserver.handlers.respond import object_format, respond, transform
from apiserver.handlers.warnings import warn
from apiserver.registry.scale import SCALE, scale_of, scaled
from apiserver.request import ApiRequest
from apiserver.server import Server
from kube.api import meta
from kube.api.meta import Object


async def get_scale(server: Server, request: ApiRequest) -> Response:
    """Answer with the Scale."""
    return _respond(server, request, scale_of((await find(server, request)).decode()))


async def update_scale(server: Server, request: ApiRequest) -> Response:
    """PUT of a Scale."""
    options = WriteOptions.read("UpdateOptions", request.query_params)
    scale, warnings = await read_object(request, options)
    place(request, scale)
    if not meta.name(scale):
        raise wrong_name("", request.info.name)
    asked = attributes(request, UPDATE, dry_run=options.dry_run)
    updated = await server.registry.update(asked, lambda old: scaled(old, scale), meta.uid(scale))
    return _respond(server, request, scale_of(updated), warnings)


async def patch_scale(server: Server, request: ApiRequest) -> Response:
    """PATCH of a Scale."""
    options = WriteOptions.read("PatchOptions", request.query_params)
    read = await read_patch(request, SCALE, options)
    asked = attributes(request, UPDATE, dry_run=options.dry_run)
    warnings: list[str] = []

    def change(old: Object) -> Object:
        scale, warnings[:] = read.apply(scale_of(old))
        return scaled(old, scale)

    return _respond(server, request, scale_of(await server.registry.update(asked, change)), warnings)


def _respond(server: Server, request: ApiRequest, scale: Object, warnings: Sequence[str] = ()) -> Response:
    wanted = object_format(request)
    if wanted.target:
        include = request.parameter("includeObject")
        scale = transform(wanted, SCALE, [scale], None, server.clock.now(), include)
    return warn(respond(scale, wanted=wanted), warnings)
