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

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.responses import Response

from apiserver import codec
from apiserver.admission.chain import UPDATE
from apiserver.handlers.apply import server_side_apply
from apiserver.handlers.body import attributes, once_owned, wrong_name
from apiserver.handlers.options import WriteOptions, invalid_options
from apiserver.handlers.respond import respond_object
from apiserver.registry.conversion import from_stored, to_stored
from apiserver.registry.validation import check_version
from apiserver.request import ApiRequest
from apiserver.server import Server
from kube.api import errors, go_words, meta, shape
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
OPERATION_FIELDS = ("op", "path", "from", "value")
NO_KIND = GroupVersionKind("", "", "")


async def patch(server: Server, request: ApiRequest) -> Response:
    """Answer with the object as it is now."""
    options = WriteOptions.read("PatchOptions", request.query_params)
    if codec.media_type(request.headers.get("content-type", "") or "none") == APPLY_PATCH:
        return await server_side_apply(server, request, options)
    if "force" in request.query_params:
        found = FieldError.forbidden("force", "may not be specified for non-apply patch")
        raise invalid_options("PatchOptions", found)
    read = await read_patch(request, request.kind.gvk, options)
    asked = attributes(request, UPDATE, dry_run=options.dry_run)
    warnings: list[str] = []

    def change(old: Object) -> Object:
        new, warnings[:] = read.apply(from_stored(request.kind, old))
        stored = to_stored(request.kind, new)
        check_version(request.kind, stored, old)
        return stored

    updated = await server.registry.update(asked, change)
    return respond_object(request, updated, server.clock.now(), 200, warnings)


@dataclass(frozen=True, slots=True)
class Patch:
    """What a body says is to change in an object of one kind; `mistakes`: its duplicate keys and the like."""

    media_type: str
    document: Any
    gvk: GroupVersionKind
    field_validation: str
    mistakes: Sequence[str]

    def apply(self, old: Object) -> tuple[Object, list[str]]:
        """The object, patched and checked, and the warnings it earns."""
        new = self._patched(old)
        if wrong := shape.problem(new):
            raise errors.bad_request(wrong)
        if not isinstance(new.get("metadata"), dict):
            text = "json: cannot unmarshal into Go struct field .metadata of type v1.ObjectMeta"
            raise self._refused(new, text)
        if (new.get("kind"), new.get("apiVersion")) != (old.get("kind"), old.get("apiVersion")):
            raise errors.bad_request("the kind and apiVersion of an object cannot be changed by a patch")
        told = self._told(new)
        try:
            unknown = Schemas.load().prune(self.gvk, new)
        except StatusError as error:
            why = error.message.partition(" cannot be handled as a ")[2].partition(": ")[2] or error.message
            if self.media_type == STRATEGIC_PATCH:
                why = go_words.conversion(why)
            raise self._refused(told, why) from error
        _check_place(new, old)
        problems = [*self.mistakes, *unknown]
        if problems and self.field_validation == "Strict":
            raise self._refused(told, "strict decoding error: " + ", ".join(problems))
        warnings = problems if self.field_validation == "Warn" else []
        return new, [*warnings, *once_owned(new)]

    def _patched(self, old: Object) -> Object:
        if self.media_type == JSON_PATCH:
            return json_patch.apply(old, self.document)
        if self.media_type == MERGE_PATCH:
            return json_merge.apply(old, self.document)
        of = Schemas.load().type_of(self.gvk)
        assert of is not None, "every kind we serve has a schema"
        return strategic.apply(old, self.document, of)

    def _told(self, new: Object) -> str:
        """What a refusal quotes: the patched object, or a strategic merge patch itself."""
        if self.media_type == STRATEGIC_PATCH:
            return go_words.text(self.document)
        return orjson.dumps(new, option=orjson.OPT_SORT_KEYS).decode()

    def _refused(self, told: str | Object, why: str) -> StatusError:
        """The refusal names no kind and no object, as in Kubernetes."""
        text = told if isinstance(told, str) else self._told(told)
        return errors.invalid(NO_KIND, "", [FieldError.invalid("patch", text, why)])


async def read_patch(request: ApiRequest, gvk: GroupVersionKind, options: WriteOptions) -> Patch:
    """The patch in the body."""
    kind = codec.media_type(request.headers.get("content-type", "") or "none")
    if kind not in PATCHES:
        raise errors.unsupported_media_type(SUPPORTED)
    body = await request.limited_body()
    begin = "" if kind == STRATEGIC_PATCH else "error decoding patch: "
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise errors.bad_request(begin + (go_words.syntax_error(body) or str(error))) from error
    if kind == JSON_PATCH:
        json_patch.check_count(document)
    if wrong := shape.problem(document):
        raise errors.bad_request(begin + wrong)
    request.audit.requested_document(document)
    mistakes = [] if options.field_validation == "Ignore" else _mistakes(kind, document, body)
    return Patch(kind, document, gvk, options.field_validation, mistakes)


def _mistakes(kind: str, document: Any, body: bytes) -> list[str]:
    """Keys that stand twice in a patch, and what an operation of a JSON patch does not have."""
    found = codec.duplicate_keys(body)
    if kind != JSON_PATCH:
        return found
    for index, operation in enumerate(document if isinstance(document, list) else []):
        if isinstance(operation, dict):
            unknown = (key for key in operation if key not in OPERATION_FIELDS)
            found += [f'unknown field "[{index}].{key}"' for key in unknown]
    return [f"json patch {each}" for each in found]


def _check_place(new: Object, old: Object) -> None:
    if meta.namespace(new) not in ("", meta.namespace(old)):
        text = "the namespace of the provided object does not match the namespace sent on the request"
        raise errors.bad_request(text)
    if meta.namespace(old):
        new["metadata"]["namespace"] = meta.namespace(old)
    if meta.name(new) != meta.name(old):
        raise wrong_name(meta.name(new), meta.name(old))
