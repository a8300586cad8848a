"""Core: JSON patch (RFC 6902): a list of operations, all or none.

The operations are the `jsonpatch` package's; this module gives its failures the API's words: a patch that
cannot be read is 400, an operation that does not fit the object, a failed `test` among them, is 422.
"""

from __future__ import annotations

from typing import Any

import jsonpatch
import jsonpointer

from kube.api import errors
from kube.api.meta import Object
from kube.api.schema import GO_VALUES

OPERATIONS_MAX = 10000
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
    if len(patch) > OPERATIONS_MAX:
        text = f"The allowed maximum operations in a JSON patch is {OPERATIONS_MAX}, got {len(patch)}"
        raise errors.too_large(text)
    try:
        result = jsonpatch.JsonPatch(patch).apply(original)
    except (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException, TypeError) as error:
        raise errors.unprocessable() from error
    if not isinstance(result, dict):
        raise errors.unprocessable()
    return result
