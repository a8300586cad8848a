"""Core: what the API answers when it refuses, as an exception and as the Status object on the wire.

`StatusError` is raised anywhere in the API server and turned into a Status by one filter; the client turns
a Status back into the same `StatusError`, so both ends ask `is_conflict(e)`. A refusal of several fields is
a list of `FieldError`, one per cause.

    StatusError
      reason: BadRequest Unauthorized Forbidden NotFound MethodNotAllowed NotAcceptable AlreadyExists
              Conflict Gone Expired RequestEntityTooLarge UnsupportedMediaType Invalid TooManyRequests
              InternalError ServiceUnavailable Timeout

After: k8s staging/src/k8s.io/apimachinery/pkg/api/errors/errors.go and pkg/util/validation/field/errors.go.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kube.api.gvk import GroupVersionKind
from kube.api.resources import Resource

REJECTED = "the server rejected our request due to an error in our request"
MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"


class StatusError(Exception):
    """A failed request: HTTP code, machine-readable reason, message for people, and details (if any)."""

    def __init__(
        self, code: int, reason: str, message: str, details: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details: dict[str, Any] = dict(details or {})
        self._has_details = details is not None
        self.metadata: dict[str, Any] = {}

    def status(self) -> dict[str, Any]:
        """The Status object that says this on the wire."""
        status: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": dict(self.metadata),
            "status": "Failure",
            "message": self.message,
        }
        if self.reason:
            status["reason"] = self.reason
        if self.details or self._has_details:
            status["details"] = dict(self.details)
        return status | {"code": self.code}

    @classmethod
    def from_status(cls, status: Mapping[str, Any]) -> StatusError:
        error = cls(
            int(status.get("code") or 500),
            status.get("reason") or "",
            status.get("message") or "",
            status.get("details"),
        )
        error.metadata = dict(status.get("metadata") or {})
        return error


def quote(value: Any) -> str:
    """A value as messages show it: strings quoted, everything else as JSON."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class FieldError:
    """One field that is wrong: its path, the reason code of the cause, and the text after `path: `."""

    field: str
    reason: str
    message: str

    def __str__(self) -> str:
        return f"{self.field or '<nil>'}: {self.message}"

    @classmethod
    def invalid(cls, field: str, value: Any, detail: str) -> FieldError:
        why = f": {detail}" if detail else ""
        return cls(field, "FieldValueInvalid", f"Invalid value: {quote(value)}{why}")

    @classmethod
    def required(cls, field: str, detail: str = "") -> FieldError:
        return cls(field, "FieldValueRequired", "Required value" + (f": {detail}" if detail else ""))

    @classmethod
    def not_supported(cls, field: str, value: Any, choices: Iterable[str]) -> FieldError:
        supported = ", ".join(quote(choice) for choice in choices)
        text = f"Unsupported value: {quote(value)}: supported values: {supported}"
        return cls(field, "FieldValueNotSupported", text)

    @classmethod
    def duplicate(cls, field: str, value: Any) -> FieldError:
        return cls(field, "FieldValueDuplicate", f"Duplicate value: {quote(value)}")

    @classmethod
    def not_found(cls, field: str, value: Any) -> FieldError:
        return cls(field, "FieldValueNotFound", f"Not found: {quote(value)}")

    @classmethod
    def forbidden(cls, field: str, detail: str) -> FieldError:
        return cls(field, "FieldValueForbidden", f"Forbidden: {detail}")

    @classmethod
    def too_long(cls, field: str, limit: int) -> FieldError:
        return cls(field, "FieldValueTooLong", f"Too long: may not be more than {limit} bytes")

    @classmethod
    def too_many(cls, field: str, count: int, limit: int) -> FieldError:
        return cls(field, "FieldValueTooMany", f"Too many: {count}: must have at most {limit} items")


def _about(resource: Resource, name: str) -> dict[str, Any]:
    """Details that name the object by its resource."""
    details = {"name": name, "group": resource.group, "kind": resource.plural}
    return {key: value for key, value in details.items() if value}


def _named(resource: Resource, name: str) -> str:
    return f'{resource.qualified} "{name}"' if name else resource.qualified


def bad_request(message: str) -> StatusError:
    """Refuses a request that makes no sense."""
    return StatusError(400, "BadRequest", message)


def unauthorized(message: str = "Unauthorized") -> StatusError:
    """Refuses a credential that is not known."""
    return StatusError(401, "Unauthorized", message)


def forbidden(resource: Resource, name: str, why: str) -> StatusError:
    """Refuses what the user may not do, or what an admission rule does not allow."""
    message = f"{_named(resource, name)} is forbidden: {why}"
    return StatusError(403, "Forbidden", message, _about(resource, name))


def forbidden_path(why: str) -> StatusError:
    """Refuses a URL that is no resource, such as /metrics."""
    return StatusError(403, "Forbidden", f"forbidden: {why}", {})


def not_found(resource: Resource, name: str) -> StatusError:
    """Answers that the object does not exist."""
    return StatusError(404, "NotFound", f"{_named(resource, name)} not found", _about(resource, name))


def no_such_resource() -> StatusError:
    """Answers a URL in a known group version that names no resource of it."""
    return StatusError(404, "NotFound", "the server could not find the requested resource", {})


def method_not_allowed() -> StatusError:
    """Refuses a verb that the resource does not have."""
    text = "the server does not allow this method on the requested resource"
    return StatusError(405, "MethodNotAllowed", text)


def not_acceptable(supported: Sequence[str]) -> StatusError:
    """Refuses an Accept header that names nothing the server can write."""
    text = "only the following media types are accepted: " + ", ".join(supported)
    return StatusError(406, "NotAcceptable", text)


def already_exists(resource: Resource, name: str) -> StatusError:
    """Refuses a second object of the same name."""
    return StatusError(
        409, "AlreadyExists", f"{_named(resource, name)} already exists", _about(resource, name)
    )


def no_free_name(resource: Resource, name: str) -> StatusError:
    """Refuses generateName where every name that was tried is taken."""
    message = f"{_named(resource, name)} already exists, "
    message += "the server was not able to generate a unique name for the object"
    return StatusError(409, "AlreadyExists", message, _about(resource, name) | {"retryAfterSeconds": 1})


def conflict(resource: Resource, name: str, why: str | None = None) -> StatusError:
    """Refuses a write that was based on an older object."""
    message = f"Operation cannot be fulfilled on {_named(resource, name)}: {why or MODIFIED}"
    return StatusError(409, "Conflict", message, _about(resource, name))


def other_uid(resource: Resource, name: str, key: str, wanted: str, found: str) -> StatusError:
    """Refuses a write to an object that has the name but is another one; `key` is where it is stored."""
    why = f"StorageError: invalid object, Code: 4, Key: {key}, ResourceVersion: 0, AdditionalErrorMsg: "
    why += f"Precondition failed: UID in precondition: {wanted}, UID in object meta: {found}"
    return conflict(resource, name, why)


def gone(message: str) -> StatusError:
    """Answers that what was asked for is no longer there."""
    return StatusError(410, "Gone", message)


def expired(message: str) -> StatusError:
    """Answers that the revision asked for has been compacted: list again."""
    return StatusError(410, "Expired", message)


def too_large(why: str) -> StatusError:
    """Refuses a body or a patch above its limit."""
    return StatusError(413, "RequestEntityTooLarge", f"Request entity too large: {why}")


def unsupported_media_type(supported: Sequence[str]) -> StatusError:
    """Refuses a body in a format the server cannot read."""
    text = "the body of the request was in an unknown format - accepted media types include: "
    return StatusError(415, "UnsupportedMediaType", text + ", ".join(supported))


def invalid(kind: GroupVersionKind, name: str, errors: Sequence[FieldError]) -> StatusError:
    """Refuses an object, with one cause per field."""
    assert errors, "an object is invalid for a reason"
    qualified = f"{kind.kind}.{kind.group}" if kind.group else kind.kind
    texts = list(dict.fromkeys(str(error) for error in errors))
    text = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    causes = [{"reason": each.reason, "message": each.message, "field": each.field} for each in errors]
    details = {"name": name, "group": kind.group, "kind": kind.kind}
    details = {key: value for key, value in details.items() if value}
    return StatusError(
        422, "Invalid", f'{qualified} "{name}" is invalid: {text}', details | {"causes": causes}
    )


def unprocessable(
    message: str = REJECTED,
) -> StatusError:
    """Refuses a patch whose operations do not fit the object."""
    return StatusError(422, "Invalid", message, {})


def too_many_requests(message: str, retry_after_seconds: int = 0, causes: Sequence[Any] = ()) -> StatusError:
    """Asks the client to come back later."""
    details: dict[str, Any] = {"causes": list(causes)} if causes else {}
    if retry_after_seconds:
        details["retryAfterSeconds"] = retry_after_seconds
    return StatusError(429, "TooManyRequests", message, details)


def unnamed(message: str) -> StatusError:
    """Refuses with 500 and no reason, as Kubernetes does where it has no word for a mistake."""
    return StatusError(500, "", message)


def internal(message: str) -> StatusError:
    """Admits a failure of the server."""
    details = {"causes": [{"message": message}]}
    return StatusError(500, "InternalError", f"Internal error occurred: {message}", details)


def service_unavailable(message: str, retry_after_seconds: int = 0) -> StatusError:
    """Answers that the server cannot serve now."""
    details = {"retryAfterSeconds": retry_after_seconds} if retry_after_seconds else {}
    return StatusError(503, "ServiceUnavailable", message, details)


def timeout(message: str, retry_after_seconds: int = 0) -> StatusError:
    """Answers that the request took too long."""
    details = {"retryAfterSeconds": retry_after_seconds} if retry_after_seconds else {}
    return StatusError(504, "Timeout", f"Timeout: {message}", details)


def too_large_resource_version(asked: int, current: int) -> StatusError:
    """Answers a read that is to be newer than anything the server has seen."""
    causes = [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]
    details = {"causes": causes, "retryAfterSeconds": 1}
    message = f"Timeout: Too large resource version: {asked}, current: {current}"
    return StatusError(504, "Timeout", message, details)


def _has_reason(error: BaseException, reason: str) -> bool:
    return isinstance(error, StatusError) and error.reason == reason


def is_not_found(error: BaseException) -> bool:
    """True for reason NotFound."""
    return _has_reason(error, "NotFound")


def is_already_exists(error: BaseException) -> bool:
    """True for reason AlreadyExists."""
    return _has_reason(error, "AlreadyExists")


def is_conflict(error: BaseException) -> bool:
    """True for reason Conflict."""
    return _has_reason(error, "Conflict")


def is_expired(error: BaseException) -> bool:
    """True when a list or watch must start afresh."""
    return _has_reason(error, "Expired") or _has_reason(error, "Gone")


def is_timeout(error: BaseException) -> bool:
    """True when nobody knows yet whether it happened."""
    return _has_reason(error, "Timeout")


def is_forbidden(error: BaseException) -> bool:
    """True for reason Forbidden."""
    return _has_reason(error, "Forbidden")


def is_invalid(error: BaseException) -> bool:
    """True for reason Invalid."""
    return _has_reason(error, "Invalid")
