"""Core: JSON patch (RFC 6902): a list of operations, all or none.

The operations are the `jsonpatch` package's; this module gives its failures the API's words: a patch that
cannot be read is 400, an operation that does not fit the object, a failed `test` among them, is 422.
"""

from __future__ import annotations

from typing import Any

import jsonpatch
import jsonpointer
import orjson

from kube.api import errors, shape
from kube.api.meta import Object, deep_copy
from kube.api.schema import GO_VALUES

OPERATIONS_MAX = 10000
# What all copies of one patch may come to: each can double an object.
COPY_BYTES_MAX = 3 << 20
TOO_MANY_COPIES = (
    "Unable to complete the copy, the accumulated size increase of copy is {}, exceeding the limit {}"
)
GO_LIST, GO_ITEM = "[]handlers.jsonPatchOp", "handlers.jsonPatchOp"


def apply(original: Object, patch: Any) -> Object:
    """A new object with all operations carried out."""
    for operation in patch if isinstance(patch, list) else [patch]:
        if not isinstance(operation, dict) or operation is patch:
            found = GO_VALUES.get(type(operation), "null")
            text = f"json: cannot unmarshal {found} into Go value of type "
            raise errors.bad_request(
                f"error decoding patch: {text}{GO_LIST if operation is patch else GO_ITEM}"
            )
    check_count(patch)
    try:
        jsonpatch.JsonPatch(patch)  # all of it is read before any of it is done
        result = _applied(deep_copy(original), patch)
    except (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException, TypeError) as error:
        raise errors.unprocessable() from error
    if not isinstance(result, dict) or shape.problem(result):
        raise errors.unprocessable()
    return result


def check_count(patch: Any) -> None:
    """Raise StatusError 413 for more operations than anybody needs."""
    if isinstance(patch, list) and len(patch) > OPERATIONS_MAX:
        text = f"The allowed maximum operations in a JSON patch is {OPERATIONS_MAX}, got {len(patch)}"
        raise errors.too_large(text)


def _applied(document: Any, patch: list[Any]) -> Any:
    copied = values = 0
    for operation in patch:
        if operation.get("op") == "copy" and isinstance(operation.get("from"), str):
            text = orjson.dumps(jsonpointer.resolve_pointer(document, operation["from"]))
            copied += len(text)
            values += sum(map(text.count, (b",", b"[", b"{")))
            if copied > COPY_BYTES_MAX or values > shape.VALUES_MAX:
                raise errors.StatusError(422, "", TOO_MANY_COPIES.format(copied, COPY_BYTES_MAX))
        document = jsonpatch.JsonPatch([operation]).apply(document, in_place=True)
    return document
