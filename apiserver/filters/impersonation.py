"""Shell: lets a caller act as someone else (`kubectl --as`).

He must be allowed to impersonate that user and each of the groups.

After: k8s staging/src/k8s.io/apiserver/pkg/endpoints/filters/impersonation.go
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import unquote

from starlette.responses import Response

from apiserver.authentication.tokens import GROUP as ACCOUNTS
from apiserver.authentication.user import ANONYMOUS, AUTHENTICATED, UNAUTHENTICATED, User
from apiserver.filters.authorization import forbidden
from apiserver.request import ApiRequest, Handler, RequestInfo
from apiserver.server import Server
from kube.api import errors

ACCOUNT_PREFIX = "system:serviceaccount:"
EXTRA_HEADER = "impersonate-extra-"
AUTHENTICATION_GROUP = "authentication.k8s.io"


def impersonate(server: Server, inner: Handler) -> Handler:
    """Replace `caller` by whom the headers name; StatusError 403 where he may not."""

    async def handle(request: ApiRequest) -> Response:
        user = wanted(request)
        if user is not None:
            for info in permissions(user):
                if not server.authorizer.allows(request.caller, info):
                    raise forbidden(request.caller, info)
            request.caller = user
            request.audit.impersonates(user)
        return await inner(request)

    return handle


def wanted(request: ApiRequest) -> User | None:
    """Whom the headers name; None if there are none."""
    headers = request.headers
    name = headers.get("impersonate-user", "")
    groups = tuple(headers.getlist("impersonate-group"))
    extra: dict[str, list[str]] = {}
    for key, value in headers.items():
        if key.startswith(EXTRA_HEADER):
            extra.setdefault(unquote(key.removeprefix(EXTRA_HEADER)), []).append(value)
    if not name:
        if groups or extra or headers.get("impersonate-uid"):
            raise errors.internal(
                "requested impersonation of groups, uid or extra without impersonating a user"
            )
        return None
    return User(name, _all_groups(name, groups), headers.get("impersonate-uid", ""), extra)


def _all_groups(name: str, groups: tuple[str, ...]) -> tuple[str, ...]:
    """The groups asked for, and those that come with the name."""
    if name.startswith(ACCOUNT_PREFIX) and not groups:
        namespace = name.removeprefix(ACCOUNT_PREFIX).partition(":")[0]
        groups = (ACCOUNTS, f"{ACCOUNTS}:{namespace}")
    common = UNAUTHENTICATED if name == ANONYMOUS else AUTHENTICATED
    return groups if common in groups else (*groups, common)


def permissions(user: User) -> Iterator[RequestInfo]:
    """What the caller must be allowed to act as this user."""
    if user.name.startswith(ACCOUNT_PREFIX):
        namespace, _, name = user.name.removeprefix(ACCOUNT_PREFIX).partition(":")
        yield _permission("", "serviceaccounts", name, namespace=namespace)
    else:
        yield _permission("", "users", user.name)
    for group in user.groups:
        if group not in (AUTHENTICATED, UNAUTHENTICATED) and not group.startswith(ACCOUNTS):
            yield _permission("", "groups", group)
    if user.uid:
        yield _permission(AUTHENTICATION_GROUP, "uids", user.uid)
    for key, values in user.extra.items():
        for value in values:
            yield _permission(AUTHENTICATION_GROUP, "userextras", value, subresource=key)


def _permission(
    group: str, plural: str, name: str, *, namespace: str = "", subresource: str = ""
) -> RequestInfo:
    return RequestInfo("", "impersonate", group, "v1", namespace, plural, name, subresource)
