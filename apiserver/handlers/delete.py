"""Shell: DELETE of one object, and of a whole selection.

After: k8s staging/src/k8s.io/apiserver/pkg/endpoints/handlers/delete.go
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from starlette.responses import Response

from apiserver import codec
from apiserver.admission.chain import DELETE
from apiserver.handlers.body import attributes
from apiserver.handlers.list import select
from apiserver.handlers.list_options import ListOptions
from apiserver.handlers.options import dry_run_errors, invalid_options, is_true, parse_int
from apiserver.handlers.respond import respond, respond_object
from apiserver.registry.conversion import from_stored
from apiserver.registry.deletion import DeleteOptions
from apiserver.registry.kinds import strategy_of
from apiserver.request import ApiRequest
from apiserver.server import Server
from kube.api import errors, meta
from kube.api.errors import StatusError
from kube.api.gvk import GroupVersionKind
from kube.api.meta import Object
from kube.api.negotiation import negotiate
from kube.api.resources import Resource
from kube.api.schema import Schemas

DELETE_OPTIONS = GroupVersionKind("", "v1", "DeleteOptions")


async def delete(server: Server, request: ApiRequest) -> Response:
    """Answer with a Status, or with the object for some kinds and for those not gone yet."""
    options = await read_options(request)
    asked = attributes(request, DELETE, dry_run=options.dry_run)
    o, gone = await server.registry.delete(asked, options)
    if gone and not strategy_of(request.kind).returns_deleted:
        wanted = negotiate(request.headers.get("accept", ""), ("Table", "PartialObjectMetadata"))
        return respond(success(request.kind, o), wanted=wanted)
    # Only who asks in the old way is told that the object is still there.
    code = 202 if not gone and options.orphan_dependents is False else 200
    return respond_object(request, o, server.clock.now(), code)


async def delete_collection(server: Server, request: ApiRequest) -> Response:
    """Delete all that a list would show; answer with that list."""
    options = await read_options(request)
    query = {key: value for key, value in request.query_params.items() if key != "dryRun"}
    listed = await select(
        server, request.info.namespace, ListOptions.for_list(request.kind, query, request.info.name)
    )
    items = []
    for entry in listed.entries:
        space, name = meta.split_key(entry.key)
        asked = replace(attributes(request, DELETE, dry_run=options.dry_run), namespace=space, name=name)
        try:
            o, _ = await server.registry.delete(asked, options)
        except StatusError as error:
            if not errors.is_not_found(error):
                raise
            continue
        items.append(from_stored(request.kind, o))
    kind = request.kind
    shown = {
        "kind": kind.list_kind,
        "apiVersion": kind.api_version,
        "metadata": listed.metadata(),
        "items": items,
    }
    return respond(
        shown, wanted=negotiate(request.headers.get("accept", ""), ("Table", "PartialObjectMetadataList"))
    )


async def read_options(request: ApiRequest) -> DeleteOptions:
    """DeleteOptions from the body, or from the query where there is none."""
    body = await request.limited_body()
    read: Mapping[str, Any]
    if body.strip():
        read = (
            codec.decode(request.headers.get("content-type", ""), body, "DeleteOptions", strict=False).o or {}
        )
        if not isinstance(read, dict):
            raise errors.bad_request("the body of a DELETE is a DeleteOptions object")
        Schemas.load().prune(DELETE_OPTIONS, read)
        request.audit.requested_document(read)
    else:
        read = {}
    merged = _from_query(request) | dict(read)
    options = DeleteOptions.read(merged)
    if found := options.errors() + dry_run_errors(merged.get("dryRun") or ()):
        raise invalid_options("DeleteOptions", *found)
    return options


def _from_query(request: ApiRequest) -> dict[str, Any]:
    options: dict[str, Any] = {}
    grace = parse_int("gracePeriodSeconds", request.parameter("gracePeriodSeconds"))
    if grace is not None:
        options["gracePeriodSeconds"] = grace
    if policy := request.parameter("propagationPolicy"):
        options["propagationPolicy"] = policy
    if orphan := request.parameter("orphanDependents"):
        options["orphanDependents"] = is_true(orphan)
    if dry_run := request.query_params.getlist("dryRun"):
        options["dryRun"] = dry_run
    return options


def success(resource: Resource, o: Object) -> Object:
    """The Status that says which object is gone."""
    details = {"name": meta.name(o), "group": resource.group, "kind": resource.plural, "uid": meta.uid(o)}
    shown = {key: value for key, value in details.items() if value}
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": shown}
