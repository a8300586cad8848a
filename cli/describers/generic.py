"""Core: the description of any kind without one of its own: its fields, names set apart into words.

After: k8s staging/src/k8s.io/kubectl/pkg/describe/describe.go, genericDescriber.
"""

from __future__ import annotations

import re
from typing import Any

from cli.describers.text import NONE, Writer
from cli.describers.view import View
from kube.api import meta

HIDDEN = ("managedFields", "name", "namespace", "labels", "annotations")


def write(out: Writer, view: View) -> None:
    """Name, labels, then every field of the object."""
    o = view.object
    out.field("Name", meta.name(o))
    out.field("Namespace", meta.namespace(o))
    out.mapping("Labels", meta.labels(o), "=")
    out.annotations(o)
    out.field("API Version", o.get("apiVersion", NONE))
    out.field("Kind", o.get("kind", NONE))
    metadata = {key: value for key, value in o["metadata"].items() if key not in HIDDEN}
    rest = {key: value for key, value in o.items() if key not in ("apiVersion", "kind", "metadata")}
    _write_mapping(out, {"metadata": metadata, **rest}, 0)


def _write_mapping(out: Writer, values: dict[str, Any], level: int) -> None:
    for key in sorted(values):
        _write_value(out, _words(key), values[key], level)


def _write_value(out: Writer, title: str, value: Any, level: int) -> None:
    match value:
        case dict():
            out.line(f"{title}:", level)
            _write_mapping(out, value, level + 1)
        case list():
            out.line(f"{title}:", level)
            for item in value:
                if isinstance(item, dict):
                    _write_mapping(out, item, level + 1)
                else:
                    out.line(str(item), level + 1)
        case _:
            out.field(title, "" if value is None else value, level)


def _words(key: str) -> str:
    """`creationTimestamp` as `Creation Timestamp`; keys that are no such word stay as they are."""
    if not re.fullmatch(r"[a-z][A-Za-z0-9]*", key):
        return key
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", key)
    return spaced[0].upper() + spaced[1:]
