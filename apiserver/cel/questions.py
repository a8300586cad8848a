"""Core: what an expression asks the authorizer, as the authorizer understands it.

After: k8s staging/src/k8s.io/apiserver/pkg/cel/library/authz.go, resourceCheckVal.Authorize
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Protocol

from apiserver.authentication.tokens import GROUP
from apiserver.authentication.user import User, known
from apiserver.request import RequestInfo


class Authorizing(Protocol):
    """Who may what."""

    def allows(self, user: User, info: RequestInfo) -> bool: ...


def asker(authorizer: Authorizing, user: User) -> Callable[[str], bool]:
    """Answers questions about a user, or about the service account he names."""

    def decide(question: str) -> bool:
        check: dict[str, str] = json.loads(question)
        who = _account(check["user"]) if "user" in check else user
        return authorizer.allows(who, _request(check))

    return decide


def _account(name: str) -> User:
    namespace = name.partition(":")[0]
    return known(f"system:serviceaccount:{name}", (GROUP, f"{GROUP}:{namespace}"))


def _request(check: dict[str, str]) -> RequestInfo:
    if "path" in check:
        return RequestInfo(check["path"], check["verb"])
    parts = ("namespace", "resource", "name", "subresource")
    return RequestInfo(
        "", check["verb"], check.get("group", ""), "*", *(check.get(part, "") for part in parts)
    )
