"""Core: how much is told of which request: an audit policy, of whose rules the first that matches holds.

Where no rule matches nothing is told. A request whose credential was refused has no user, so that a rule
which names users or groups does not match it.

After: k8s staging/src/k8s.io/apiserver/pkg/audit/policy/checker.go
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING

from apiserver.authentication.user import User

if TYPE_CHECKING:
    from apiserver.request import RequestInfo

ALL = "*"


class Level(IntEnum):
    """How much is told; each level has all that the one before it has."""

    NONE = 0
    METADATA = 1
    REQUEST = 2
    REQUEST_RESPONSE = 3

    @property
    def wire(self) -> str:
        """Its name in files and events."""
        return LEVELS[self]


# In the order of Level.
LEVELS = ("None", "Metadata", "Request", "RequestResponse")


class Stage(StrEnum):
    """When something is told of a request; only those that stream their answer have ResponseStarted."""

    RECEIVED = "RequestReceived"
    STARTED = "ResponseStarted"
    COMPLETE = "ResponseComplete"
    PANIC = "Panic"


@dataclass(frozen=True, slots=True)
class Decision:
    """What a policy says of one request."""

    level: Level = Level.NONE
    omit_stages: frozenset[Stage] = frozenset()
    omit_managed_fields: bool = False


@dataclass(frozen=True, slots=True)
class Resources:
    """Resources of one group; empty: all of them, or of any name."""

    group: str = ""
    resources: Sequence[str] = ()
    names: Sequence[str] = ()

    def match(self, info: RequestInfo) -> bool:
        """True when the request is for one of them."""
        if self.group != info.group:
            return False
        if not self.resources:
            return True
        if self.names and info.name not in self.names:
            return False
        sub = info.subresource
        wanted = {ALL, f"{info.plural}/{ALL}", f"{info.plural}/{sub}" if sub else info.plural}
        return any(each in wanted or bool(sub and each == f"{ALL}/{sub}") for each in self.resources)


@dataclass(frozen=True, slots=True)
class Rule:
    """Whom and what it is about, each empty for all; a request must match in every respect."""

    decision: Decision
    users: Sequence[str] = ()
    groups: Sequence[str] = ()
    verbs: Sequence[str] = ()
    resources: Sequence[Resources] = ()
    namespaces: Sequence[str] = ()
    urls: Sequence[str] = ()

    def matches(self, user: User | None, info: RequestInfo) -> bool:
        """True when the request is one of those it is about."""
        if self.users and (user is None or user.name not in self.users):
            return False
        if self.groups and (user is None or not any(group in self.groups for group in user.groups)):
            return False
        if self.verbs and info.verb not in self.verbs:
            return False
        if self.namespaces or self.resources:
            return info.is_resource and self._matches_resource(info)
        if self.urls:
            return not info.is_resource and any(_path_matches(url, info.path) for url in self.urls)
        return True

    def _matches_resource(self, info: RequestInfo) -> bool:
        if self.namespaces and info.namespace not in self.namespaces:
            return False
        return not self.resources or any(each.match(info) for each in self.resources)


def _path_matches(url: str, path: str) -> bool:
    return url in (ALL, path) or (url.endswith(ALL) and path.startswith(url.rstrip(ALL)))


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules, in the order in which they are asked."""

    rules: Sequence[Rule]

    def decide(self, user: User | None, info: RequestInfo) -> Decision:
        """What the first rule that matches says."""
        return next((rule.decision for rule in self.rules if rule.matches(user, info)), NOTHING)


NOTHING = Decision()
