"""Core: what is told of one request: the events of audit.k8s.io/v1, one for each stage that it reaches.

A RequestAudit goes with its request. The filters and handlers write into it what they find out, as far as the
level wants it, and `line` makes of that the event of a stage. That of a request of which nothing is told,
NO_AUDIT for a start, forgets all it hears.

    {"kind": "Event", "level", "auditID", "stage", "requestURI", "verb", "user", "objectRef", ..}

Invariants: no part of a body is in an event below the level Request, but for the name and the like.

After: k8s staging/src/k8s.io/apiserver/pkg/apis/audit/v1/types.go, pkg/audit/{request,context}.go
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import orjson

from apiserver.audit.policy import NOTHING, Decision, Level, Stage
from apiserver.authentication.user import User
from kube.api import meta
from kube.api.meta import Object, format_micro_time

if TYPE_CHECKING:
    from apiserver.request import RequestInfo

# In the order in which they are written.
FIELDS = (
    "kind",
    "apiVersion",
    "level",
    "auditID",
    "stage",
    "requestURI",
    "verb",
    "user",
    "impersonatedUser",
    "sourceIPs",
    "userAgent",
    "objectRef",
    "responseStatus",
    "requestObject",
    "responseObject",
    "requestReceivedTimestamp",
    "stageTimestamp",
    "annotations",
)
STATUS_FIELDS = ("status", "message", "reason", "details")
USER_AGENT_CHARS_MAX = 1024
TRUNCATED = "...TRUNCATED"
# Told of a request whose client left, or whose server ended, before anything was answered.
CLOSED_EARLY = {"metadata": {}, "status": "Success", "message": "Connection closed early", "code": 200}
INTERNAL_ERROR = {"metadata": {}, "status": "Failure", "reason": "InternalError", "code": 500}


class RequestAudit:
    """What is told of one request; each method notes a part of it.

    is_over: its last event has been made.
    """

    __slots__ = ("_annotations", "_fields", "_has_failed", "_reference", "decision", "is_over", "level")

    def __init__(
        self, decision: Decision, fields: Mapping[str, Any], annotations: dict[str, str] | None = None
    ) -> None:
        self.decision = decision
        self.level = decision.level
        self.is_over = not decision.level
        self._fields = dict(fields)
        self._reference: dict[str, str] = self._fields.get("objectRef", {})
        self._annotations = {} if annotations is None else annotations
        self._has_failed = False

    def annotate(self, key: str, value: str) -> None:
        """Add an annotation, `domain/name`; what one has said first stays."""
        if self.level:
            self._annotations.setdefault(key, value)

    def impersonates(self, user: User) -> None:
        """Note as whom the caller acts."""
        if self.level:
            self._fields["impersonatedUser"] = user_info(user)

    def requested(self, o: Object) -> None:
        """Note the object of the body, and of the object asked for what the URL does not say."""
        if not self.level:
            return
        metadata = meta.metadata(o)
        for key in ("namespace", "name", "uid", "resourceVersion"):
            if metadata.get(key) and isinstance(metadata[key], str):
                self._reference.setdefault(key, metadata[key])
        self.requested_document(self._shown(o))

    def requested_document(self, document: Any) -> None:
        """Note a body that is no object: a patch, options."""
        if self.level >= Level.REQUEST:
            self._fields["requestObject"] = encoded(document)

    def failed(self, error: Exception) -> None:
        """Note that handling it ended in a bug: the stage is Panic then."""
        if self.level:
            self._has_failed = True
            self._fields["responseStatus"] = INTERNAL_ERROR | {"message": f"APIServer panic'd: {error}"}

    def answered(self, code: int, o: Any = None) -> None:
        """Note the answer: its code, its Status if it is one, and the object itself (see `wants_answer`)."""
        if self.level and not self._has_failed:
            self._fields["responseStatus"] = response_status(code, o)
        if o is not None and self.wants_answer:
            self._fields["responseObject"] = encoded(self._shown(o))

    @property
    def wants_answer(self) -> bool:
        """Whether answers are told whole: those that are no resources, as discovery, are not."""
        return self.level >= Level.REQUEST_RESPONSE and bool(self._reference)

    def line(self, stage: Stage, now: datetime) -> bytes | None:
        """The event of a stage, as a line of JSON; None where the policy leaves that stage out."""
        if stage in self.decision.omit_stages:
            return None
        event = self._fields | {"stage": stage.value, "stageTimestamp": format_micro_time(now)}
        if stage is Stage.RECEIVED:
            event["stageTimestamp"] = event["requestReceivedTimestamp"]
        else:
            event.setdefault("responseStatus", CLOSED_EARLY)
        if self._reference:
            event["objectRef"] = self._reference
        if self._annotations:
            event["annotations"] = self._annotations
        written: bytes = orjson.dumps({key: event[key] for key in FIELDS if key in event})
        return written + b"\n"

    @property
    def last_stage(self) -> Stage:
        """The stage it is in when it is over."""
        return Stage.PANIC if self._has_failed else Stage.COMPLETE

    def _shown(self, o: Any) -> Any:
        return without_managed_fields(o) if self.decision.omit_managed_fields else o


NO_AUDIT = RequestAudit(NOTHING, {})


def begin(
    decision: Decision,
    *,
    audit_id: str,
    uri: str,
    info: RequestInfo,
    user: User | None,
    source_ips: list[str],
    user_agent: str,
    received_at: datetime,
    annotations: dict[str, str],
) -> RequestAudit:
    """What can be told of a request when it comes; user: None where the credential is refused; annotations:
    where others add theirs.
    """
    if len(user_agent) > USER_AGENT_CHARS_MAX:
        user_agent = user_agent[:USER_AGENT_CHARS_MAX] + TRUNCATED
    fields: dict[str, Any] = {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "level": decision.level.wire,
        "auditID": audit_id,
        "requestURI": uri,
        "verb": info.verb,
        "user": user_info(user) if user is not None else {},
        "requestReceivedTimestamp": format_micro_time(received_at),
    }
    if source_ips:
        fields["sourceIPs"] = source_ips
    if user_agent:
        fields["userAgent"] = user_agent
    if info.is_resource:
        fields["objectRef"] = reference(info)
    return RequestAudit(decision, fields, annotations)


def reference(info: RequestInfo) -> dict[str, str]:
    """The object that a URL names."""
    named = {
        "resource": info.plural,
        "namespace": info.namespace,
        "name": info.name,
        "apiGroup": info.group,
        "apiVersion": info.version,
        "subresource": info.subresource,
    }
    return {key: value for key, value in named.items() if value}


def user_info(user: User) -> dict[str, Any]:
    """A user, as events have him."""
    shown = {"username": user.name, "uid": user.uid, "groups": list(user.groups), "extra": user.extra}
    return {key: value for key, value in shown.items() if value}


def response_status(code: int, o: Any) -> dict[str, Any]:
    """The Status that was answered, or the code alone."""
    status: dict[str, Any] = {"metadata": {}}
    if isinstance(o, Mapping) and o.get("kind") == "Status" and o.get("apiVersion") == "v1":
        status |= {key: o[key] for key in STATUS_FIELDS if o.get(key)}
    return status | {"code": code}


def encoded(o: Any) -> orjson.Fragment:
    """An object as it is now, for it may be changed before it is written."""
    try:
        return orjson.Fragment(orjson.dumps(o))
    except TypeError:
        # YAML has numbers and keys that JSON has not: then its text.
        return orjson.Fragment(orjson.dumps(json.dumps(o, default=str, skipkeys=True)))


def without_managed_fields(o: Any) -> Any:
    """An object, the objects of a list or of a Table, without what field managers have written."""
    if not isinstance(o, Mapping):
        return o
    shown = dict(o)
    if isinstance(metadata := o.get("metadata"), Mapping) and "managedFields" in metadata:
        shown["metadata"] = {key: value for key, value in metadata.items() if key != "managedFields"}
    if isinstance(items := o.get("items"), list) and str(o.get("kind", "")).endswith("List"):
        shown["items"] = [without_managed_fields(item) for item in items]
    if isinstance(rows := o.get("rows"), list) and o.get("kind") == "Table":
        shown["rows"] = [row | {"object": without_managed_fields(row.get("object"))} for row in rows]
    return shown
