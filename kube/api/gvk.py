"""Core: the two ways to say which API an object belongs to.

A *kind* is what an object says of itself (`kind: Deployment`, `apiVersion: apps/v1`); a *resource* is the
plural word in its URL (`deployments`). Both carry a group and a version; the core group is the empty
string.

After: k8s staging/src/k8s.io/apimachinery/pkg/runtime/schema/group_version.go.
"""

from __future__ import annotations

from dataclasses import dataclass


def parse_api_version(text: str) -> tuple[str, str]:
    """Split `apps/v1` into group and version; `v1` is the core group."""
    group, slash, version = text.rpartition("/")
    return (group, version) if slash else ("", text)


def format_api_version(group: str, version: str) -> str:
    """Join group and version as objects write them."""
    return f"{group}/{version}" if group else version


@dataclass(frozen=True, slots=True)
class GroupVersionKind:
    """What an object says it is."""

    group: str
    version: str
    kind: str

    @classmethod
    def of(cls, api_version: str, kind: str) -> GroupVersionKind:
        return cls(*parse_api_version(api_version), kind)

    @property
    def api_version(self) -> str:
        return format_api_version(self.group, self.version)

    def __str__(self) -> str:
        return f"{self.group}/{self.version}, Kind={self.kind}"


@dataclass(frozen=True, slots=True)
class GroupVersionResource:
    """Where an object is served."""

    group: str
    version: str
    resource: str

    @property
    def api_version(self) -> str:
        return format_api_version(self.group, self.version)

    def __str__(self) -> str:
        return f"{self.group}/{self.version}, Resource={self.resource}"
