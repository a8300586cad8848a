"""Core: who makes a request.

After: k8s staging/src/k8s.io/apiserver/pkg/authentication/user/user.go
"""

from __future__ import annotations

from dataclasses import dataclass, field

ANONYMOUS = "system:anonymous"
AUTHENTICATED = "system:authenticated"
UNAUTHENTICATED = "system:unauthenticated"
MASTERS = "system:masters"
# Under this the extra of a user names the credential that was shown.
CREDENTIAL = "authentication.kubernetes.io/credential-id"


@dataclass(frozen=True, slots=True)
class User:
    """A name and the groups it is in; `extra` is what the authenticator knows besides.

    warnings: what whoever shows this credential should know.
    """

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: dict[str, list[str]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def is_master(self) -> bool:
        return MASTERS in self.groups


# Whom the API server is when it writes what it keeps itself.
SELF = User("system:apiserver", (MASTERS,))


def anonymous() -> User:
    """Whoever shows no credential."""
    return User(ANONYMOUS, (UNAUTHENTICATED,))


def known(
    name: str, groups: tuple[str, ...] = (), uid: str = "", extra: dict[str, list[str]] | None = None
) -> User:
    """Someone whose credential was checked."""
    return User(name, (*groups, AUTHENTICATED), uid, extra or {})
