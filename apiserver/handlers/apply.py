"""Shell: PATCH with application/apply-patch+yaml: the sender says what it wants of an object, which may not
be there yet.

After: k8s staging/src/k8s.io/apiserver/pkg/endpoints/handlers/patch.go, applyPatcher
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from starlette.responses import Response

from apiserver import codec
from apiserver.admission.chain import CREATE, UPDATE
from apiserver.filters.authorization import forbidden
from apiserver.handlers.body import attributes, place
from apiserver.handlers.options import WriteOptions, invalid_options
from apiserver.handlers.respond import respond_object
from apiserver.registry import managed_fields
from apiserver.registry.conversion import stored_as, to_stored
from apiserver.registry.managed_fields import Manager
from apiserver.request import ApiRequest
from apiserver.server import Server
from kube.api import errors, meta, shape
from kube.api.errors import FieldError, StatusError
from kube.api.meta import Object
from kube.api.patch import apply as patch_apply
from kube.api.schema import Schemas


async def server_side_apply(server: Server, request: ApiRequest, options: WriteOptions) -> Response:
    """Answer with the object: 201 where it was made, 200 otherwise."""
    if not request.parameter("fieldManager"):
        found = FieldError.required("fieldManager", "is required for apply patch")
        raise invalid_options("PatchOptions", found)
    o, warnings = read(request, await request.limited_body(), options)
    wanted = to_stored(request.kind, o)
    stored, now = stored_as(request.kind), server.clock.now()
    asked = replace(attributes(request, UPDATE, dry_run=options.dry_run), server_side_apply=True)
    manager = Manager(asked.field_manager, managed_fields.APPLY, stored.api_version, asked.subresource)

    def change(live: Object) -> Object:
        new = managed_fields.applied(stored, live, meta.deep_copy(wanted), manager, now, force=options.force)
        if wrong := shape.problem(new):
            raise errors.bad_request(wrong)
        return new

    try:
        return respond_object(request, await server.registry.update(asked, change), now, 200, warnings)
    except StatusError as error:
        if not errors.is_not_found(error) or asked.subresource:
            raise
        if uid := meta.uid(wanted):
            why = f"uid mismatch: the provided object specified uid {uid}, and no existing object was found"
            raise errors.conflict(stored, asked.name, why) from None
    info = replace(request.info, verb="create")
    if not server.authorizer.allows(request.caller, info):
        raise forbidden(request.caller, info)
    empty: Object = {"apiVersion": wanted["apiVersion"], "kind": wanted["kind"], "metadata": {}}
    made = await server.registry.create(replace(asked, operation=CREATE), change(empty))
    return respond_object(request, made, now, 201, warnings)


def read(request: ApiRequest, body: bytes, options: WriteOptions) -> tuple[Object, list[str]]:
    """The configuration, and the warnings it earns; StatusError where it is not one of this object."""
    resource = request.kind
    document, warnings = _document(body, options)
    request.audit.requested_document(document)
    if not isinstance(document, dict) or not document.get("kind") or not document.get("apiVersion"):
        said = document if isinstance(document, dict) else {}
        text = f"invalid object type: {said.get('apiVersion') or '/'}, Kind={said.get('kind') or ''}"
        raise errors.bad_request(text)
    o = codec.check_kind(resource.kind, resource.api_version, document)
    o["metadata"] = dict(o.get("metadata") or {})
    if o["metadata"].get("managedFields"):
        raise errors.bad_request("metadata.managedFields must be nil")
    o["metadata"].pop("managedFields", None)
    o["metadata"].setdefault("name", request.info.name)
    place(request, o)
    unknown = Schemas.load().prune(resource.gvk, o)
    if unknown:
        raise patch_apply.unknown_fields(o, resource.gvk, unknown)
    return o, warnings


def _document(body: bytes, options: WriteOptions) -> tuple[Any, list[str]]:
    try:
        document, twice = codec.read_yaml(body, "")
    except StatusError as error:
        why = error.message.rpartition("yaml parse error: ")[2]
        raise errors.bad_request(f"error decoding YAML: error converting YAML to JSON: {why}") from error
    if not twice or options.field_validation == "Ignore":
        return document, []
    text = "error converting YAML to JSON: " + codec.yaml_mistakes(twice)
    if options.field_validation == "Strict":
        raise errors.bad_request(f"error strict decoding YAML: {text}")
    return document, [text]
