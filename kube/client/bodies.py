"""Core: what is said to an API server and what it says, as bytes and as objects.

    parameters -> query; object -> body; body -> object, or the StatusError that it is; stream -> WatchEvents

After: k8s staging/src/k8s.io/client-go/rest/request.go, transformResponse.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

import orjson

from kube.api.errors import StatusError
from kube.api.meta import Object
from kube.api.resources import Resource
from kube.api.watch import ERROR, WatchEvent

REASONS = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    409: "Conflict",
    410: "Expired",
    422: "Invalid",
    429: "TooManyRequests",
    503: "ServiceUnavailable",
    504: "Timeout",
}

Parameters = Mapping[str, str | int | bool | None]


class ConnectionFailed(Exception):
    """No server answered, or the answer broke off; a write may have happened, if it was `sent` at all."""

    def __init__(self, message: str, *, sent: bool = True) -> None:
        super().__init__(message)
        self.sent = sent


def query(params: Parameters | None) -> dict[str, str]:
    """Leave out what is not set, and write booleans as the API does."""
    given = {name: value for name, value in (params or {}).items() if value not in (None, "", 0, False)}
    return {name: "true" if value is True else str(value) for name, value in given.items()}


def stamp(item: Object, resource: Resource) -> None:
    """Let an item of a list say its kind, which the wire leaves out."""
    item.setdefault("apiVersion", resource.api_version)
    item.setdefault("kind", resource.kind)


def stamped(item: Object, resource: Resource) -> Object:
    """The same, as another object."""
    return {"apiVersion": resource.api_version, "kind": resource.kind, **item}


def delete_options(
    uid: str | None,
    resource_version: str | None,
    grace_period_seconds: int | None,
    propagation_policy: str | None,
) -> Object:
    """The body of a DELETE."""
    preconditions = {"uid": uid, "resourceVersion": resource_version}
    preconditions = {name: value for name, value in preconditions.items() if value}
    options = {
        "gracePeriodSeconds": grace_period_seconds,
        "propagationPolicy": propagation_policy,
        "preconditions": preconditions or None,
    }
    given = {name: value for name, value in options.items() if value is not None}
    return {"kind": "DeleteOptions", "apiVersion": "v1", **given}


def parse(content: bytes) -> Object:
    """What an answer says; ConnectionFailed where that is nothing readable."""
    try:
        answer: Object = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise ConnectionFailed(f"the answer is not JSON: {content[:200]!r}") from error
    return answer


def status_error(code: int, content: bytes) -> StatusError:
    """The refusal in an answer; one made from code and text where it is no Status."""
    try:
        answer = orjson.loads(content)
    except orjson.JSONDecodeError:
        answer = None
    if isinstance(answer, dict) and answer.get("kind") == "Status":
        return StatusError.from_status(answer)
    message = content.decode("utf-8", "replace").strip() or f"the server answered {code}"
    return StatusError(code, REASONS.get(code, "InternalError" if code >= 500 else "Unknown"), message)


async def lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The lines of a stream as they arrive; a line cut off at the end is a broken stream."""
    rest = b""
    async for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n") if rest else chunk.split(b"\n")
        for line in lines:
            if line:
                yield line
    if rest:
        raise ConnectionFailed(f"the watch broke off in the middle of an event: {rest[:80]!r}")


def watch_event(line: bytes, resource: Resource) -> WatchEvent:
    """What a line of a watch says; an ERROR is raised as its StatusError."""
    answer = parse(line)
    if answer["type"] == ERROR:
        raise StatusError.from_status(answer["object"])
    stamp(answer["object"], resource)
    return WatchEvent(answer["type"], answer["object"])
