"""Core: chooses from an Accept header how an answer is written: JSON or YAML, and as what: the object
itself, its metadata alone, or a Table.

After: k8s staging/src/k8s.io/apiserver/pkg/endpoints/handlers/negotiation/negotiate.go
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache

from kube.api import errors

JSON, YAML, PROTOBUF = "application/json", "application/yaml", "application/vnd.kubernetes.protobuf"
SUPPORTED = (JSON, YAML, PROTOBUF)
TABLE, PARTIAL, PARTIAL_LIST = "Table", "PartialObjectMetadata", "PartialObjectMetadataList"
META_GROUP = "meta.k8s.io"
VERSIONS = ("v1", "v1beta1")


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


@lru_cache(maxsize=1024)
def negotiate(accept: str, targets: Collection[str] = ()) -> Format:
    """The first clause we can serve; StatusError 406 when there is none."""
    if not accept or accept == "*/*":
        return Format()
    for clause in accept.split(","):
        media_type, *rest = (part.strip() for part in clause.split(";"))
        parameters = dict(part.split("=", 1) for part in rest if "=" in part)
        if media_type in ("*/*", "application/*"):
            media_type = JSON
        if media_type not in (JSON, YAML):
            continue
        target, version = parameters.get("as", ""), parameters.get("v", "v1")
        if not target:
            return Format(media_type)
        if target in targets and parameters.get("g") == META_GROUP and version in VERSIONS:
            return Format(media_type, target, version)
    raise errors.not_acceptable(SUPPORTED)
