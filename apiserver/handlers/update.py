"""Shell: PUT of an object, whole or its status; for some kinds a PUT also creates."""

from __future__ import annotations

from dataclasses import replace

from starlette.responses import Response

from apiserver.admission.chain import CREATE, UPDATE
from apiserver.handlers.body import attributes, place, read_object, wrong_name
from apiserver.handlers.options import WriteOptions
from apiserver.handlers.respond import respond_object
from apiserver.registry.conversion import to_stored
from apiserver.registry.kinds import strategy_of
from apiserver.registry.registry import UNVERSIONED
from apiserver.registry.validation import check_version
from apiserver.request import ApiRequest
from apiserver.server import Server
from kube.api import errors, meta
from kube.api.errors import FieldError, StatusError
from kube.api.meta import Object, deep_copy


async def update(server: Server, request: ApiRequest) -> Response:
    """Answer with the object as it is now."""
    options = WriteOptions.read("UpdateOptions", request.query_params)
    o, warnings = await read_object(request, options)
    place(request, o)
    if not meta.name(o):
        raise wrong_name("", request.info.name)
    asked = attributes(request, UPDATE, dry_run=options.dry_run)
    new, now, strategy = to_stored(request.kind, o), server.clock.now(), strategy_of(request.kind)
    if (
        strategy.needs_version
        and meta.resource_version(new) in UNVERSIONED
        and not strategy.creates_on_update
    ):
        raise _version_needed(request, new)

    def change(old: Object) -> Object:
        if strategy.needs_version and meta.resource_version(new) in UNVERSIONED:
            raise _version_needed(request, new)
        check_version(request.kind, new, old)
        copy: Object = deep_copy(new)
        return copy

    try:
        updated = await server.registry.update(asked, change, meta.uid(new))
    except StatusError as error:
        upsert = strategy.creates_on_update and not request.info.subresource
        if not (upsert and errors.is_not_found(error)):
            raise
        created = await server.registry.create(replace(asked, operation=CREATE), deep_copy(new))
        return respond_object(request, created, now, 201, warnings)
    return respond_object(request, updated, now, 200, warnings)


def _version_needed(request: ApiRequest, o: Object) -> StatusError:
    found = FieldError.invalid("metadata.resourceVersion", 0, "must be specified for an update")
    # Kubernetes names the resource here where it names the kind elsewhere.
    return errors.invalid(replace(request.kind, kind=request.kind.plural).gvk, meta.name(o), [found])
