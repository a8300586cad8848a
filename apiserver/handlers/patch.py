"""Shell: PATCH: the ways to say what is to change.

    application/json-patch+json              a list of operations
    application/merge-patch+json             a map that is laid over the object
    application/strategic-merge-patch+json   the same, with lists that merge by key

    application/apply-patch+yaml             what its sender wants of the object (apply.py)

A patch without a resourceVersion never conflicts: it is done again on the newer object until nobody was
faster.

After: k8s staging/src/k8s.io/apiserver/pkg/endpoints/handlers/patch.go
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from starlette.responses import Response

from apiserver import codec
from apiserver.admission.chain import UPDATE
from apiserver.handlers.apply import server_side_apply
from apiserver.handlers.body import attributes
from apiserver.handlers.options import WriteOptions, invalid_options
from apiserver.handlers.respond import respond_object
from apiserver.registry.conversion import from_stored, to_stored
from apiserver.request import ApiRequest
from apiserver.server import Server
from kube.api import errors, meta
from kube.api.errors import FieldError, StatusError
from kube.api.gvk import GroupVersionKind
from kube.api.meta import Object
from kube.api.patch import json_merge, json_patch, strategic
from kube.api.schema import Schemas

JSON_PATCH, MERGE_PATCH = "application/json-patch+json", "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
PATCHES = (JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH)
SUPPORTED = (*PATCHES, APPLY_PATCH)

Apply = Callable[[Object], Object]


async def patch(server: Server, request: ApiRequest) -> Response:
    """Answer with the object as it is now."""
    options = WriteOptions.read("PatchOptions", request.query_params)
    if codec.media_type(request.headers.get("content-type", "") or "none") == APPLY_PATCH:
        return await server_side_apply(server, request, options)
    if options.force:
        found = FieldError.forbidden("force", "may not be specified for non-apply patch")
        raise invalid_options("PatchOptions", found)
    applied, duplicates = await read_patch(request, request.kind.gvk, options)
    asked = attributes(request, UPDATE, dry_run=options.dry_run)
    warnings: list[str] = []

    def change(old: Object) -> Object:
        shown = from_stored(request.kind, old)
        new = applied(shown)
        warnings[:] = accept(request.kind.gvk, new, shown, options, duplicates)
        return to_stored(request.kind, new)

    updated = await server.registry.update(asked, change)
    return respond_object(request, updated, server.clock.now(), 200, warnings)


async def read_patch(
    request: ApiRequest, gvk: GroupVersionKind, options: WriteOptions
) -> tuple[Apply, Sequence[str]]:
    """The patch in the body as a function, and its duplicate keys."""
    kind = codec.media_type(request.headers.get("content-type", "") or "none")
    if kind not in PATCHES:
        raise errors.unsupported_media_type(SUPPORTED)
    body = await request.limited_body()
    document = read_document(body)
    duplicates = codec.duplicate_keys(body) if options.field_validation != "Ignore" else []
    return (lambda old: apply(kind, document, old, gvk)), duplicates


def read_document(body: bytes) -> Any:
    """The patch itself; it may be YAML whatever it says."""
    try:
        return codec.read_json(body, "patch")
    except StatusError:
        pass
    try:
        document = codec.read_yaml(body, "patch")
    except StatusError as error:
        raise errors.bad_request(f"error decoding patch: {error.message}") from error
    if not isinstance(document, dict | list):
        raise errors.bad_request("error decoding patch: not a JSON document")
    return document


def apply(kind: str, document: Any, old: Object, gvk: GroupVersionKind) -> Object:
    """A new object: the old one, patched."""
    if kind == JSON_PATCH:
        return json_patch.apply(old, document)
    if kind == MERGE_PATCH:
        return json_merge.apply(old, document)
    of = Schemas.load().type_of(gvk)
    assert of is not None, "every kind we serve has a schema"
    return strategic.apply(old, document, of)


def accept(
    gvk: GroupVersionKind, new: Object, old: Object, options: WriteOptions, duplicates: Sequence[str]
) -> list[str]:
    """Check a patched object's fields; the warnings it earns."""
    if not isinstance(new.get("metadata"), dict):
        raise errors.invalid(gvk, meta.name(old), [FieldError.invalid("metadata", None, "must be an object")])
    if (new.get("kind"), new.get("apiVersion")) != (old.get("kind"), old.get("apiVersion")):
        raise errors.bad_request("the kind and apiVersion of an object cannot be changed by a patch")
    if meta.name(new) != meta.name(old):
        text = (
            f"the name of the object ({meta.name(new)}) does not match the name on the URL ({meta.name(old)})"
        )
        raise errors.bad_request(text)
    if meta.namespace(new) != meta.namespace(old):
        text = "the namespace of the provided object does not match the namespace sent on the request"
        raise errors.bad_request(text)
    try:
        unknown = Schemas.load().prune(gvk, new)
    except StatusError as error:
        raise _invalid_patch(gvk, old, error.message) from error
    problems = [*duplicates, *unknown]
    if problems and options.field_validation == "Strict":
        raise _invalid_patch(gvk, old, "strict decoding error: " + ", ".join(problems))
    return problems if options.field_validation == "Warn" else []


def _invalid_patch(gvk: GroupVersionKind, old: Object, why: str) -> StatusError:
    found = FieldError("patch", "FieldValueInvalid", f'Invalid value: "": {why}')
    return errors.invalid(gvk, meta.name(old), [found])
