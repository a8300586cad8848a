"""Core: what an APIService says: who serves a group version, and where it stands among all others.

After: k8s staging/src/k8s.io/kube-aggregator/pkg/apis/apiregistration/v1/helper/helpers.go
(SortedByGroupAndVersion); staging/src/k8s.io/apimachinery/pkg/version/helpers.go
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kube.api import conditions, meta
from kube.api.meta import Object

AVAILABLE = "Available"
HTTPS_PORT = 443
# The group that registers all others has no APIService, and comes first.
FIRST_GROUP, FIRST_PRIORITY = "apiregistration.k8s.io", 20000
VERSION = re.compile(r"v([1-9][0-9]*)(?:(alpha|beta)([1-9][0-9]*))?")
STABILITY = {"alpha": 0, "beta": 1, None: 2}

GroupVersion = tuple[str, str]


@dataclass(frozen=True, slots=True)
class ApiService:
    """One of them.

    service: namespace and name of the Service that serves it; None: whoever is asked does.
    ca_bundle: authorities of its certificate, in base64; empty: those of the system.
    is_available: what its condition says.
    """

    name: str
    group: str
    version: str
    group_priority: int
    version_priority: int
    service: tuple[str, str] | None
    port: int
    ca_bundle: str
    is_unchecked: bool
    is_available: bool

    @classmethod
    def of(cls, o: Object) -> ApiService:
        """Read the object."""
        spec = o.get("spec") or {}
        service = spec.get("service") or None
        return cls(
            meta.name(o),
            spec.get("group", ""),
            spec.get("version", ""),
            spec.get("groupPriorityMinimum") or 0,
            spec.get("versionPriority") or 0,
            (service.get("namespace", ""), service.get("name", "")) if service else None,
            (service or {}).get("port") or HTTPS_PORT,
            spec.get("caBundle") or "",
            bool(spec.get("insecureSkipTLSVerify")),
            conditions.is_true(o, AVAILABLE),
        )

    @property
    def group_version(self) -> GroupVersion:
        return self.group, self.version

    @property
    def path(self) -> str:
        """Where its discovery document is, and all that it serves below that."""
        return f"/apis/{self.group}/{self.version}"

    @property
    def server_name(self) -> str:
        """Whose certificate the other side must show."""
        assert self.service is not None, "only those of others have a certificate"
        namespace, name = self.service
        return f"{name}.{namespace}.svc"


def name_of(path: str) -> str:
    """The name of the APIService that a path belongs to; empty for paths of no group version."""
    parts = path.split("/", 4)
    return f"{parts[3]}.{parts[2]}" if len(parts) > 3 and parts[1] == "apis" and parts[3] else ""


def in_order(
    group_versions: Iterable[GroupVersion], services: Mapping[str, ApiService]
) -> dict[str, list[str]]:
    """Group -> versions, those first that clients shall prefer."""
    versions: dict[str, list[str]] = {}
    for group, version in group_versions:
        versions.setdefault(group, []).append(version)
    priorities = {group: _group_priority(group, found, services) for group, found in versions.items()}
    return {
        group: sorted(versions[group], key=lambda version: _version_order(group, version, services))
        for group in sorted(versions, key=lambda group: (-priorities[group], group))
    }


def _group_priority(group: str, versions: Iterable[str], services: Mapping[str, ApiService]) -> int:
    if group == FIRST_GROUP:
        return FIRST_PRIORITY
    known = (services.get(f"{version}.{group}") for version in versions)
    return max((each.group_priority for each in known if each), default=0)


def _version_order(
    group: str, version: str, services: Mapping[str, ApiService]
) -> tuple[int, int, int, int, int, str]:
    """By priority; then v2, v1, v1beta1, v1alpha1, and last what is no version, by name."""
    service = services.get(f"{version}.{group}")
    priority = -service.version_priority if service else 0
    match = VERSION.fullmatch(version)
    if match is None:
        return priority, 1, 0, 0, 0, version
    major, stability, minor = match.groups()
    return priority, 0, -STABILITY[stability], -int(major), -int(minor or 0), version
