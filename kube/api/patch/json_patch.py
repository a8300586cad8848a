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

OPERATIONS_MAX = 10000


def apply(original: Object, patch: Any) -> Object:
    """A new object with all operations carried out."""
    if not isinstance(patch, list) or not all(isinstance(operation, dict) for operation in patch):
        raise errors.bad_request("error decoding patch: a JSON patch is a list of operations")
    if len(patch) > OPERATIONS_MAX:
        text = f"The allowed maximum operations in a JSON patch is {OPERATIONS_MAX}, got {len(patch)}"
        raise errors.StatusError(413, "RequestEntityTooLarge", text)
    try:
        operations = jsonpatch.JsonPatch(patch)
    except (jsonpatch.InvalidJsonPatch, jsonpointer.JsonPointerException) as error:
        raise errors.bad_request(f"error decoding patch: {error}") from error
    try:
        result = operations.apply(original)
    except (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException, TypeError) as error:
        raise errors.unprocessable() from error
    if not isinstance(result, dict):
        raise errors.unprocessable()
    return result
