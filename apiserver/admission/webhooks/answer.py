"""Core: what a webhook answers: read, checked, and turned into a patch or a refusal.

    Failed        no answer that could be understood; failurePolicy says what follows
    StatusError   the webhook says no

After: k8s staging/src/k8s.io/apiserver/pkg/admission/plugin/webhook/request/admissionreview.go,
VerifyAdmissionResponse; webhook/errors/statuserror.go; pkg/util/webhook/error.go
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from apiserver.admission.webhooks.review import GROUP, KIND
from kube.api.errors import StatusError, bad_request, internal, quote
from kube.api.go_words import syntax_error

JSON_PATCH = "JSONPatch"
CODE_MIN, CODE_MAX = 400, 599


class Failed(Exception):
    """A call of a webhook that brought no answer; `code` is what it is counted under."""

    def __init__(self, why: str, code: int = 503) -> None:
        super().__init__(why)
        self.code = code


@dataclass(frozen=True, slots=True)
class Answer:
    """What a webhook says; patch: the operations of a JSON patch."""

    allowed: bool
    status: Mapping[str, Any] | None = None
    patch: list[Any] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    annotations: dict[str, str] = field(default_factory=dict)

    @property
    def code(self) -> int:
        """The HTTP status of a refusal; what is no failure, or nothing that HTTP knows, becomes one."""
        return min(max((self.status or {}).get("code") or 0, CODE_MIN), CODE_MAX)


def read(body: bytes, uid: str, version: str, *, may_patch: bool) -> Answer:
    """Check an answer to the question `uid`; raises Failed."""
    found = _decoded(body)
    response = found.get("response")
    if not response:
        raise _invalid("webhook response was absent")
    if version == "v1":
        _check_v1(found, response, uid, may_patch=may_patch)
    # The older version has no word for the type, and validating webhooks were never asked for a patch.
    patch = response.get("patch") if may_patch else None
    if patch and version == "v1" and response["patchType"] != JSON_PATCH:
        raise Failed(f"unsupported patch type {quote(response['patchType'])}")
    return Answer(
        bool(response.get("allowed")),
        response.get("status"),
        _operations(patch) if patch else [],
        list(response.get("warnings") or ()),
        dict(response.get("auditAnnotations") or {}),
    )


def _decoded(body: bytes) -> dict[str, Any]:
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        why = syntax_error(body) or str(error)
        raise _uncalled(f"couldn't get version/kind; json parse error: {why}") from error
    if not isinstance(found, dict) or not _has_right_types(found.get("response")):
        raise _uncalled("the answer is no AdmissionReview")
    return found


TYPES: dict[str, type | tuple[type, ...]] = {
    "uid": str,
    "allowed": bool,
    "status": dict,
    "patch": str,
    "patchType": str,
    "warnings": list,
    "auditAnnotations": dict,
}
STATUS_TYPES: dict[str, type | tuple[type, ...]] = {
    "code": int,
    "message": str,
    "reason": str,
    "status": str,
    "details": dict,
    "metadata": dict,
}


def _has_right_types(response: Any) -> bool:
    if response is None:
        return True
    return (
        isinstance(response, dict)
        and _are_of(response, TYPES)
        and _are_of(response.get("status") or {}, STATUS_TYPES)
        and all(isinstance(each, str) for each in response.get("warnings") or ())
        and all(isinstance(each, str) for each in (response.get("auditAnnotations") or {}).values())
    )


def _are_of(found: Mapping[str, Any], types: Mapping[str, type | tuple[type, ...]]) -> bool:
    return all(found.get(key) is None or isinstance(found[key], types[key]) for key in types)


def _check_v1(found: Mapping[str, Any], response: Mapping[str, Any], uid: str, *, may_patch: bool) -> None:
    if (said := response.get("uid") or "") != uid:
        raise _invalid(f"expected response.uid={quote(uid)}, got {quote(said)}")
    kind, version = found.get("kind") or "", found.get("apiVersion") or "/"
    if (kind, version) != (KIND, f"{GROUP}/v1"):
        raise _invalid(f"expected webhook response of {GROUP}/v1, Kind={KIND}, got {version}, Kind={kind}")
    patch, patch_type = response.get("patch"), response.get("patchType")
    if not may_patch:
        if patch:
            raise _invalid("validating webhook may not return response.patch")
        if patch_type is not None:
            raise _invalid("validating webhook may not return response.patchType")
    elif patch and patch_type is None:
        raise _invalid("webhook returned response.patch but not response.patchType")
    elif not patch and patch_type is not None:
        raise _invalid("webhook returned response.patchType but not response.patch")
    elif patch_type == "":
        raise _invalid('webhook returned invalid response.patchType of ""')


def _operations(patch: str) -> list[Any]:
    try:
        operations = orjson.loads(base64.b64decode(patch, validate=True))
    except (binascii.Error, ValueError) as error:
        raise _undecodable(str(error)) from error
    if not isinstance(operations, list) or not all(isinstance(each, dict) for each in operations):
        raise _undecodable("it is no list of operations")
    return operations


def _uncalled(why: str) -> Failed:
    return Failed(f"failed to call webhook: {why}")


def _invalid(why: str) -> Failed:
    return Failed(f"received invalid webhook response: {why}")


def _undecodable(why: str) -> Failed:
    return Failed(f"received undecodable patch in webhook response: {why}")


def denial(name: str, answer: Answer) -> StatusError:
    """What the client is told when a webhook says no."""
    said = answer.status or {}
    denied = f"admission webhook {quote(name)} denied the request"
    why = said.get("message") or said.get("reason")
    error = StatusError(
        answer.code,
        said.get("reason") or "",
        f"{denied}: {why}" if why else f"{denied} without explanation",
        said.get("details"),
    )
    error.metadata = dict(said.get("metadata") or {})
    return error


def failure(name: str, why: Failed) -> StatusError:
    """What the client is told when a webhook that he cannot do without does not answer."""
    return internal(f"failed calling webhook {quote(name)}: {why}")


def no_dry_run(name: str) -> StatusError:
    """Refuses a dry run of what a webhook would do more about than answer."""
    return bad_request(f"admission webhook {quote(name)} does not support dry run")
