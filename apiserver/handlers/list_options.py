"""Core: reads and checks the query parameters of lists and watches.

    resourceVersion     list                                     watch
    (none)              the newest                               what is there, then all that comes
    0                   anything the server has, all of it       the same, from whatever the server has
    N                   not older than N; with limit, exactly N  what came after N
    N and Exact         exactly N                                refused
    N and NotOlderThan  not older than N                         with sendInitialEvents: as (none), from N on

After: k8s staging/src/k8s.io/apimachinery/pkg/apis/meta/internalversion/defaults.go and
validation/validation.go there; staging/src/k8s.io/apiserver/pkg/storage/util.go, ValidateListOptions
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from apiserver.handlers.options import invalid_options
from apiserver.storage.entry import Entry
from kube.api import errors, fields, labels
from kube.api.errors import FieldError
from kube.api.fields import FieldSelector, Term
from kube.api.labels import Selector
from kube.api.resources import Resource

EXACT, NOT_OLDER_THAN = "Exact", "NotOlderThan"
MATCH = "resourceVersionMatch"
INT64_MAX, UINT64_MAX = 2**63 - 1, 2**64 - 1


def parse_version(text: str) -> int | None:
    """A resourceVersion; None if there is none, StatusError 500 without a reason if it is no number."""
    if not text:
        return None
    if (why := _version_problem(text)) is not None:
        raise errors.unnamed(why)
    return int(text)


def _version_problem(text: str) -> str | None:
    if not re.fullmatch(r"[0-9]+", text):
        why = "invalid syntax"
    elif len(text) > 100 or int(text) > UINT64_MAX:
        why = "value out of range"
    else:
        return None
    shown = errors.quote(text)
    return f"resourceVersion: Invalid value: {shown}: strconv.ParseUint: parsing {shown}: {why}"


def _integer(query: Mapping[str, str], name: str) -> int | None:
    """An integer parameter; StatusError 400 if it is none."""
    if (text := query.get(name)) is None:
        return None
    shown = errors.quote(text)
    if not re.fullmatch(r"[+-]?[0-9]+", text):
        raise errors.bad_request(f"strconv.ParseInt: parsing {shown}: invalid syntax")
    if len(text) > 100 or abs(int(text)) > INT64_MAX:
        raise errors.bad_request(f"strconv.ParseInt: parsing {shown}: value out of range")
    return int(text)


def _flag(query: Mapping[str, str], name: str) -> bool:
    """A boolean parameter; whatever is there, even nothing, is true but for two texts."""
    return query.get(name, "0").lower() not in ("0", "false")


@dataclass(frozen=True, slots=True)
class ListOptions:
    """What a list, a watch or a deletecollection selects, and how fresh it is to be.

    fields: by the names that fields are kept under.
    version: None asks for the newest, 0 for anything, N for not older than (or exactly) N.
    limit: 0 for no limit.
    initial_events: a watch is to begin with all there is; None if the client did not say.
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
    def for_list(cls, resource: Resource, query: Mapping[str, str], name: str = "") -> ListOptions:
        """Read and check a list's query; `name` is the object's that the URL names, if it does."""
        options = cls._read(resource, query)
        if found := _list_problems(options, query):
            raise invalid_options("ListOptions", *found)
        options = options._selecting(name)
        text = query.get("resourceVersion", "")
        if options.token and text not in ("", "0"):
            raise errors.bad_request("specifying resource version is not allowed when using continue")
        if text and (why := _version_problem(text)) is not None:
            raise errors.bad_request(f"invalid resource version: {why}")
        return replace(options, version=parse_version(text))

    @classmethod
    def for_watch(cls, resource: Resource, query: Mapping[str, str], name: str = "") -> ListOptions:
        """Read and check a watch's query; one from no version begins with what is there."""
        options = cls._read(resource, query)
        text = query.get("resourceVersion", "")
        if options.initial_events is None and not options.match and text in ("", "0"):
            options = replace(options, initial_events=True, match=NOT_OLDER_THAN)
        if found := _watch_problems(options):
            raise invalid_options("ListOptions", *found)
        return replace(options._selecting(name), version=parse_version(text))

    @classmethod
    def _read(cls, resource: Resource, query: Mapping[str, str]) -> ListOptions:
        timeout_seconds, limit = _integer(query, "timeoutSeconds"), _integer(query, "limit")
        return cls(
            resource,
            labels.Selector.parse(query.get("labelSelector", "")),
            FieldSelector.parse(query.get("fieldSelector", "")),
            None,
            query.get(MATCH, ""),
            max(limit or 0, 0),
            query.get("continue", ""),
            timeout_seconds,
            _flag(query, "allowWatchBookmarks"),
            _flag(query, "sendInitialEvents") if "sendInitialEvents" in query else None,
        )

    def _selecting(self, name: str) -> ListOptions:
        """These options with the fields' own names and, if the URL names an object, nothing but that."""
        selector = fields.understood(self.resource, self.fields)
        if name and not selector.is_empty and selector.required("metadata.name") != name:
            raise errors.bad_request("fieldSelector metadata.name doesn't match requested name")
        if name and selector.is_empty:
            selector = FieldSelector((Term("metadata.name", "=", name),))
        return replace(self, fields=selector)

    @property
    def selects_all(self) -> bool:
        return self.labels.is_empty and self.fields.is_empty

    @property
    def is_exact(self) -> bool:
        """True when one past revision is asked for."""
        return bool(self.version) and (self.match == EXACT or (self.limit > 0 and not self.match))

    @property
    def is_streamed_list(self) -> bool:
        """True for a watch that stands for a list: all there is, and a bookmark when that was all."""
        return bool(self.initial_events) and self.bookmarks

    def matcher(self) -> Callable[[Entry], bool] | None:
        """The selectors as a function; None when they select everything."""
        if self.selects_all:
            return None
        if self.fields.is_empty:
            return lambda entry: self.labels.matches(entry.labels)
        if self.labels.is_empty:
            return lambda entry: self.fields.matches(entry.fields)
        return lambda entry: self.labels.matches(entry.labels) and self.fields.matches(entry.fields)


def _list_problems(options: ListOptions, query: Mapping[str, str]) -> list[FieldError]:
    """Combinations that make no sense for a list."""
    found, version = [], query.get("resourceVersion", "")
    if options.match and not version:
        text = "resourceVersionMatch is forbidden unless resourceVersion is provided"
        found.append(FieldError.forbidden(MATCH, text))
    if options.match and options.token:
        found.append(_match_with_continue())
    if options.match not in ("", EXACT, NOT_OLDER_THAN):
        found.append(FieldError.not_supported(MATCH, options.match, (EXACT, NOT_OLDER_THAN, "")))
    if options.match == EXACT and version == "0":
        text = 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'
        found.append(FieldError.forbidden(MATCH, text))
    if options.initial_events is not None:
        text = "sendInitialEvents is forbidden for list"
        found.append(FieldError.forbidden("sendInitialEvents", text))
    return found


def _watch_problems(options: ListOptions) -> list[FieldError]:
    """Combinations that make no sense for a watch."""
    found = []
    if options.initial_events is not None and options.match != NOT_OLDER_THAN:
        text = f"sendInitialEvents requires setting resourceVersionMatch to {NOT_OLDER_THAN}"
        found.append(FieldError.forbidden(MATCH, text))
    if options.match and options.initial_events is None:
        text = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
        found.append(FieldError.forbidden(MATCH, text))
    if options.match not in ("", NOT_OLDER_THAN):
        found.append(FieldError.not_supported(MATCH, options.match, (NOT_OLDER_THAN,)))
    if options.match and options.token:
        found.append(_match_with_continue())
    return found


def _match_with_continue() -> FieldError:
    return FieldError.forbidden(MATCH, "resourceVersionMatch is forbidden when continue is provided")
