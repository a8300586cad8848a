"""Core: chooses from an Accept header how an answer is written: JSON or YAML, and as what: the object
itself, its metadata alone, or a Table.

After: k8s staging/src/k8s.io/apiserver/pkg/endpoints/handlers/negotiation/negotiate.go
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from kube.api import errors

JSON, YAML, PROTOBUF = "application/json", "application/yaml", "application/vnd.kubernetes.protobuf"
SUPPORTED = (JSON, YAML, PROTOBUF)
STREAMED = (JSON, PROTOBUF)
QUALITY = re.compile(r"[01](\.[0-9]{0,3})?")
TABLE, PARTIAL, PARTIAL_LIST = "Table", "PartialObjectMetadata", "PartialObjectMetadataList"
META_GROUP = "meta.k8s.io"
VERSIONS = ("v1", "v1beta1")
# Longer lists of wishes are nobody's, and the answers to them would be remembered.
ACCEPT_CHARS_MAX = 8192


@dataclass(frozen=True, slots=True)
class Format:
    """How to write an answer; `target` is empty for the object as it is."""

    media_type: str = JSON
    target: str = ""
    version: str = "v1"

    @property
    def is_yaml(self) -> bool:
        return self.media_type == YAML

    @property
    def api_version(self) -> str:
        return f"{META_GROUP}/{self.version}"


def negotiate(accept: str, targets: tuple[str, ...] = ()) -> Format:
    """The clause we can serve that the client likes best; StatusError 406 when there is none."""
    if not accept or accept == "*/*":
        return Format()
    found = _first_servable(accept, targets) if len(accept) <= ACCEPT_CHARS_MAX else None
    if found is None:
        raise errors.not_acceptable(SUPPORTED)
    return found


def negotiate_stream(accept: str, targets: tuple[str, ...] = ()) -> Format:
    """The same for a watch, whose events are written in JSON alone: YAML has no end of an event."""
    if not accept or accept == "*/*":
        return Format()
    found = _first_servable(accept, targets) if len(accept) <= ACCEPT_CHARS_MAX else None
    if found is None or found.is_yaml:
        raise errors.not_acceptable([f"{each};stream=watch" for each in STREAMED])
    return found


@lru_cache(maxsize=1024)
def _first_servable(accept: str, targets: tuple[str, ...]) -> Format | None:
    for media_type, parameters in _clauses(accept):
        if media_type in ("*/*", "application/*"):
            media_type = JSON
        if media_type not in (JSON, YAML) or parameters.get("stream", "watch") != "watch":
            continue
        target, version = parameters.get("as", ""), parameters.get("v", "v1")
        if not target and "g" not in parameters and "v" not in parameters:
            return Format(media_type)
        if target in targets and parameters.get("g") == META_GROUP and version in VERSIONS:
            return Format(media_type, target, version)
    return None


def _clauses(accept: str) -> list[tuple[str, dict[str, str]]]:
    """Each media type with its parameters, the liked ones (by `q`) first."""
    clauses = []
    for clause in accept.split(","):
        media_type, *rest = (part.strip() for part in clause.split(";"))
        clauses.append((media_type, dict(part.split("=", 1) for part in rest if "=" in part)))
    return sorted(clauses, key=lambda clause: -_quality(clause[1].get("q", "1")))


def _quality(text: str) -> float:
    return float(text) if QUALITY.fullmatch(text) else 1.0
