"""Core: reads and checks the query parameters of each verb.

After: k8s staging/src/k8s.io/apimachinery/pkg/apis/meta/internalversion/validation/validation.go
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.datastructures import QueryParams

from apiserver.registry import names
from kube.api import errors
from kube.api.errors import FieldError, StatusError
from kube.api.gvk import GroupVersionKind
from kube.api.meta import Object

FIELD_VALIDATION = ("Ignore", "Strict", "Warn")


def is_true(text: str) -> bool:
    """A boolean parameter, as Kubernetes reads it: anything but these is true."""
    return text not in ("", "false", "0")


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
