"""Core: what is special about Events: who tells them about what, in either of two versions.

Events are stored as core/v1 has them, with its names; those that come through events.k8s.io/v1 must say more.

After: k8s pkg/apis/core/validation/events.go
"""

from __future__ import annotations

from apiserver.registry import formats, names
from apiserver.registry.strategy import Errors, Strategy
from kube.api import meta
from kube.api.errors import FieldError
from kube.api.meta import Object

LENGTHS = {"reportingInstance": 128, "action": 128, "reason": 128, "message": 1024}
# Namespaces of events about objects that are in none.
CLUSTER_SPACES = ("default", "kube-system")
UNCHANGING = (
    "involvedObject",
    "reason",
    "message",
    "source",
    "firstTimestamp",
    "lastTimestamp",
    "count",
    "type",
    "eventTime",
    "action",
    "related",
    "reportingComponent",
    "reportingInstance",
)


def validate(o: Object) -> Errors:
    """What holds for every event."""
    return (_modern(o) if o.get("eventTime") else _legacy_space(o)) + formats.dns_subdomain(
        meta.namespace(o), "namespace"
    )


def _wrong_space(o: Object) -> Errors:
    space = meta.get(o, "involvedObject", "namespace", default="")
    text = "does not match event.namespace"
    return [FieldError.invalid("involvedObject.namespace", space, text)]


def _legacy_space(o: Object) -> Errors:
    about, space = meta.get(o, "involvedObject", "namespace", default=""), meta.namespace(o)
    fits = space == about if about else space in ("", "default")
    return [] if fits else _wrong_space(o)


def _modern(o: Object) -> Errors:
    about = meta.get(o, "involvedObject", "namespace", default="")
    errors = [] if about or meta.namespace(o) in CLUSTER_SPACES else _wrong_space(o)
    controller = o.get("reportingComponent") or ""
    if not controller:
        errors.append(FieldError.required("reportingController"))
    errors += formats.qualified_name(controller, "reportingController")
    for field, limit in LENGTHS.items():
        value = o.get(field) or ""
        if not value and field != "message":
            errors.append(FieldError.required(field))
        if len(value.encode()) > limit:
            errors.append(FieldError.invalid(field, "", f"can have at most {limit} characters"))
    return errors


def validate_new(o: Object) -> Errors:
    """What holds for an event that is told through events.k8s.io/v1; `o` is as core/v1 has it."""
    errors = formats.dns_subdomain(meta.name(o), "metadata.name") + _series(o)
    if not o.get("eventTime"):
        errors.append(FieldError.required("eventTime"))
    if o.get("type") not in ("Normal", "Warning"):
        errors.append(FieldError.invalid("type", "", f"has invalid value: {o.get('type') or ''}"))
    for field in ("firstTimestamp", "lastTimestamp", "count", "source"):
        if o.get(field):
            errors.append(FieldError.invalid(field, "", "needs to be unset"))
    return errors


def _series(o: Object) -> Errors:
    series = o.get("series")
    if series is None:
        return []
    errors: Errors = []
    if (series.get("count") or 0) < 2:
        errors.append(FieldError.invalid("series.count", "", "should be at least 2"))
    if not series.get("lastObservedTime"):
        errors.append(FieldError.required("series.lastObservedTime"))
    return errors


def changes(new: Object, old: Object) -> Errors:
    """Through events.k8s.io/v1 an event only happens again."""
    errors = _series(new) if new.get("series") != old.get("series") else []
    for field in UNCHANGING:
        if (new.get(field) or None) != (old.get(field) or None):
            shown = "reportingController" if field == "reportingComponent" else field
            errors.append(FieldError.invalid(shown, new.get(field), "field is immutable"))
    return errors


EVENT = Strategy(is_complete=True, name_errors=names.path_segment, creates_on_update=True, validate=validate)
# What is stored is the same; this row adds what those must say who use the newer version.
MODERN_EVENT = Strategy(
    is_complete=True, creates_on_update=True, validate_create=validate_new, validate_update=changes
)
