"""Shell: writes an object, a list or a Status as the client asked for it.

After: k8s staging/src/k8s.io/apiserver/pkg/endpoints/handlers/response.go
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import orjson
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from apiserver.codec import head, write_yaml
from apiserver.handlers.frames import metadata_only
from apiserver.handlers.warnings import warn
from apiserver.printers import registry
from apiserver.registry.conversion import from_stored, is_stored
from apiserver.request import ApiRequest
from apiserver.storage.entry import Entry
from kube.api import errors
from kube.api.errors import FieldError
from kube.api.gvk import GroupVersionKind
from kube.api.meta import Object
from kube.api.negotiation import PARTIAL, PARTIAL_LIST, TABLE, Format, negotiate
from kube.api.resources import Resource
from kube.api.table import INCLUDE_OBJECT

PIECE_BYTES = 256 * 1024
JSON_HEADERS = {"Cache-Control": "no-cache, private"}


class Written(Response):
    """A large answer that is written already, sent in pieces, between which others are served."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        body, at = memoryview(self.body), 0
        while True:
            piece, at = bytes(body[at : at + PIECE_BYTES]), at + PIECE_BYTES
            await send({"type": "http.response.body", "body": piece, "more_body": at < len(body)})
            if at >= len(body):
                return


def respond_bytes(body: bytes, code: int = 200, media_type: str = "application/json") -> Response:
    """An answer whose body is written already."""
    kind = Written if len(body) > PIECE_BYTES else Response
    return kind(body, code, JSON_HEADERS, media_type)


def respond(o: Any, code: int = 200, *, wanted: Format | None = None) -> Response:
    """Any JSON-shaped value."""
    if wanted is not None and wanted.is_yaml:
        return respond_bytes(write_yaml(o), code, wanted.media_type)
    return respond_bytes(orjson.dumps(o), code)


def object_format(request: ApiRequest) -> Format:
    """How the client wants one object; StatusError 406, or 400 for what a Table cannot include."""
    return _format(request, (TABLE, PARTIAL))


def list_format(request: ApiRequest) -> Format:
    """How the client wants a list; StatusError 406, or 400 for what a Table cannot include."""
    return _format(request, (TABLE, PARTIAL_LIST))


def _format(request: ApiRequest, targets: tuple[str, ...]) -> Format:
    wanted = negotiate(request.headers.get("accept", ""), targets)
    if wanted.target == TABLE:
        check_include_object(request)
    return wanted


def check_include_object(request: ApiRequest) -> None:
    """Raise StatusError 400 when a Table is to include something that it cannot."""
    include_object = request.parameter("includeObject")
    if include_object not in ("", *INCLUDE_OBJECT):
        text = "must be 'Metadata', 'Object', 'None', or empty"
        problem = FieldError.invalid("includeObject", include_object, text)
        raise errors.bad_request(f"Unable to convert to Table as requested: {problem}")


def respond_object(
    request: ApiRequest, o: Object, now: datetime, code: int = 200, warnings: Sequence[str] = ()
) -> Response:
    """One object of the resource asked for, in its version, as the client wants it."""
    resource = request.kind
    wanted = object_format(request)
    o = from_stored(resource, o)
    if wanted.target:
        o = transform(wanted, resource, [o], None, now, request.parameter("includeObject"))
    return warn(respond(o, code, wanted=wanted), warnings)


def transform(
    wanted: Format,
    resource: Resource | GroupVersionKind,
    objects: Iterable[Object],
    list_metadata: dict[str, Any] | None,
    now: datetime,
    include_object: str,
) -> Object:
    """A Table, or metadata alone, of the objects of a list, or of one object if there is no list."""
    pack = (lambda o: o) if wanted.is_yaml else _packed
    if wanted.target == TABLE:
        table = registry.table(resource, now, include_object, wanted.api_version)
        return table.of(objects, list_metadata, pack)
    if wanted.target == PARTIAL:
        (only,) = objects
        return metadata_only(only, wanted.api_version)
    partial = [pack(metadata_only(o, wanted.api_version)) for o in objects]
    return {
        "kind": PARTIAL_LIST,
        "apiVersion": wanted.api_version,
        "metadata": list_metadata,
        "items": partial,
    }


def _packed(o: Object) -> orjson.Fragment:
    """A part of an answer, written at once: thousands of objects held together make the collector work."""
    return orjson.Fragment(orjson.dumps(o))


def respond_list(
    request: ApiRequest,
    wanted: Format,
    entries: Sequence[Entry],
    list_metadata: dict[str, Any],
    now: datetime,
) -> Response:
    """A list of entries; their bytes are joined, not decoded, where the client takes them as they are."""
    resource = request.kind
    if not wanted.target and not wanted.is_yaml and is_stored(resource):
        return respond_bytes(_joined(resource, entries, list_metadata))
    objects = (from_stored(resource, entry.decode()) for entry in entries)
    if wanted.target:
        o = transform(wanted, resource, objects, list_metadata, now, request.parameter("includeObject"))
        return respond(o, wanted=wanted)
    pack = (lambda o: o) if wanted.is_yaml else _packed
    o = {"kind": resource.list_kind, "apiVersion": resource.api_version, "metadata": list_metadata}
    return respond(o | {"items": [pack(_item(each)) for each in objects]}, wanted=wanted)


def _item(o: Object) -> Object:
    return {key: value for key, value in o.items() if key not in ("kind", "apiVersion")}


def _joined(resource: Resource, entries: Sequence[Entry], list_metadata: dict[str, Any]) -> bytes:
    """The list's bytes; items leave out what every one of them would repeat."""
    opening = head(resource)
    skip = len(opening)
    shown = {"kind": resource.list_kind, "apiVersion": resource.api_version, "metadata": list_metadata}
    # The items' bytes are copied once, into the answer.
    parts: list[bytes | memoryview] = [orjson.dumps(shown)[:-1], b',"items":[']
    comma = b""
    for entry in entries:
        if entry.data.startswith(opening):
            parts += (comma + b"{", memoryview(entry.data)[skip:])
        else:
            parts += (comma, entry.data)
        comma = b","
    parts.append(b"]}")
    return b"".join(parts)
