"""Core: reads and checks the query parameters of each verb.

After: k8s staging/src/k8s.io/apimachinery/pkg/apis/meta/internalversion/validation/validation.go
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from starlette.datastructures import QueryParams

from apiserver.registry import names
from apiserver.storage.object_log import Entry
from kube.api import errors, fields, labels
from kube.api.errors import FieldError, StatusError
from kube.api.fields import FieldSelector
from kube.api.gvk import GroupVersionKind
from kube.api.labels import Selector
from kube.api.meta import Object
from kube.api.resources import Resource

FIELD_VALIDATION = ("Ignore", "Strict", "Warn")
MATCHES = ("Exact", "NotOlderThan")


def is_true(text: str) -> bool:
    """A boolean parameter, as Kubernetes reads it: anything but these is true."""
    return text not in ("", "false", "0")


def parse_version(text: str) -> int | None:
    """A resourceVersion; None if there is none, StatusError 500 (as Kubernetes has it) if it is no number."""
    if not text:
        return None
    if not text.isdecimal():
        message = (
            f'resourceVersion: Invalid value: "{text}": strconv.ParseUint: parsing "{text}": invalid syntax'
        )
        raise errors.unnamed(message)
    return int(text)


def parse_int(name: str, text: str) -> int | None:
    """An integer parameter; StatusError 400 if it is none."""
    if not text:
        return None
    try:
        return int(text)
    except ValueError:
        raise errors.bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax ({name})') from None


def invalid_options(kind: str, *found: FieldError) -> StatusError:
    """Refuse options as Kubernetes does: as an invalid object of the options' kind."""
    return errors.invalid(GroupVersionKind("meta.k8s.io", "v1", kind), "", found)


@dataclass(frozen=True, slots=True)
class ListOptions:
    """What a list, a watch or a deletecollection selects, and how fresh it is to be.

    version: None asks for the newest, 0 for anything, N for not older than (or exactly) N.
    """

    resource: Resource
    labels: Selector
    fields: FieldSelector
    version: int | None
    match: str
    limit: int
    token: str
    timeout_seconds: int | None
    bookmarks: bool
    initial_events: bool | None

    @classmethod
    def read(cls, resource: Resource, query: Mapping[str, str]) -> ListOptions:
        selector = FieldSelector.parse(query.get("fieldSelector", ""))
        fields.check(resource, selector)
        initial = query.get("sendInitialEvents")
        return cls(
            resource,
            labels.Selector.parse(query.get("labelSelector", "")),
            selector,
            parse_version(query.get("resourceVersion", "")),
            query.get("resourceVersionMatch", ""),
            parse_int("limit", query.get("limit", "")) or 0,
            query.get("continue", ""),
            parse_int("timeoutSeconds", query.get("timeoutSeconds", "")),
            is_true(query.get("allowWatchBookmarks", "")),
            None if initial is None else is_true(initial),
        )

    @property
    def selects_all(self) -> bool:
        return self.labels.is_empty and self.fields.is_empty

    def matcher(self) -> Callable[[Entry], bool] | None:
        """The selectors as a function; None when they select everything."""
        if self.selects_all:
            return None
        if self.fields.is_empty:
            return lambda entry: self.labels.matches(entry.labels)
        if self.labels.is_empty:
            return lambda entry: self.fields.matches(self.fields_of(entry))
        return lambda entry: self.labels.matches(entry.labels) and self.fields.matches(self.fields_of(entry))

    def fields_of(self, entry: Entry) -> dict[str, str]:
        """The entry's selectable fields under this version's names."""
        if self.resource.group == "events.k8s.io":
            return {_event_field(name): value for name, value in entry.fields.items()}
        return entry.fields

    def check_list(self) -> None:
        """Refuse combinations that make no sense for a list."""
        found = []
        if self.initial_events is not None:
            text = "sendInitialEvents is forbidden for list"
            found.append(FieldError.forbidden("sendInitialEvents", text))
        if self.match:
            found += self._match_errors()
        if found:
            raise invalid_options("ListOptions", *found)
        if self.token and self.version:
            raise errors.bad_request("specifying resource version is not allowed when using continue")

    def _match_errors(self) -> Sequence[FieldError]:
        path = "resourceVersionMatch"
        if self.version is None:
            return [
                FieldError.forbidden(
                    path, "resourceVersionMatch is forbidden unless resourceVersion is provided"
                )
            ]
        if self.token:
            return [FieldError.forbidden(path, "resourceVersionMatch is forbidden when continue is provided")]
        if self.match not in MATCHES:
            return [FieldError.not_supported(path, self.match, ("Exact", "NotOlderThan", ""))]
        if self.match == "Exact" and self.version == 0:
            text = 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'
            return [FieldError.forbidden(path, text)]
        return []

    def check_watch(self) -> None:
        """Refuse combinations that make no sense for a watch."""
        path = "resourceVersionMatch"
        if self.initial_events is None and self.match:
            text = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
            raise invalid_options("ListOptions", FieldError.forbidden(path, text))
        if self.initial_events is not None and self.match != "NotOlderThan":
            text = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
            found = FieldError.forbidden(path, text)
            raise invalid_options("ListOptions", found)


def _event_field(name: str) -> str:
    renamed = name.replace("involvedObject.", "regarding.", 1)
    return "reportingController" if renamed == "reportingComponent" else renamed


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """How a create, update or patch is to be done; `force` is for apply alone."""

    dry_run: bool
    field_validation: str
    force: bool = False

    @classmethod
    def read(cls, kind: str, query: QueryParams) -> WriteOptions:
        dry_run, validation = query.getlist("dryRun"), query.get("fieldValidation", "")
        found = names.manager(query.get("fieldManager", ""), "fieldManager") + dry_run_errors(dry_run)
        if validation not in ("", *FIELD_VALIDATION):
            found.append(FieldError.not_supported("fieldValidation", validation, ("", *FIELD_VALIDATION)))
        if found:
            raise invalid_options(kind, *found)
        return cls(bool(dry_run), validation or "Warn", is_true(query.get("force", "")))


def dry_run_errors(values: Sequence[str]) -> list[FieldError]:
    """What is wrong with the stages a dry run leaves out; there is but one word for it."""
    if all(value == "All" for value in values):
        return []
    return [FieldError.not_supported("dryRun", list(values), ("All",))]


def report_fields(o: Object, options: WriteOptions, problems: Sequence[str]) -> Sequence[str]:
    """What was unknown or twice in a body: refused if strict, else the warnings to send."""
    if not problems or options.field_validation == "Ignore":
        return ()
    if options.field_validation == "Warn":
        return problems
    kind, version = o["kind"], o["apiVersion"].rpartition("/")[2]
    text = f'{kind} in version "{version}" cannot be handled as a {kind}: strict decoding error: '
    raise errors.bad_request(text + ", ".join(problems))
