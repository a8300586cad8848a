"""Core: who calls a server that is not the API server, and what it asks the API server about him.

After: k8s staging/src/k8s.io/apiserver/plugin/pkg/{authenticator/token,authorizer}/webhook
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from kube.api.meta import Object

MASTERS, AUTHENTICATED = "system:masters", "system:authenticated"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks."""

    name: str
    groups: Sequence[str] = ()
    uid: str = ""
    extra: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def is_master(self) -> bool:
        return MASTERS in self.groups


def by_subject(certificate: Mapping[str, object] | None) -> Caller | None:
    """Whom a certificate names, as `ssl` describes it; TLS has checked it against its authority."""
    pairs = subject_of(certificate)
    name = next((value for key, value in pairs if key == "commonName"), "")
    groups = [value for key, value in pairs if key == "organizationName"]
    return Caller(name, (*groups, AUTHENTICATED)) if name else None


def subject_of(certificate: Mapping[str, object] | None) -> list[tuple[str, str]]:
    """The parts of a certificate's subject."""
    subject = (certificate or {}).get("subject") or ()
    assert isinstance(subject, Sequence), "as ssl describes it"
    return [pair for pairs in subject for pair in pairs]


def caller_of(status: Mapping[str, object]) -> Caller | None:
    """Whose token it is, as the status of a TokenReview says; None for a wrong one."""
    user = status.get("user") or {}
    if not status.get("authenticated") or not isinstance(user, Mapping):
        return None
    return Caller(
        user.get("username", ""), user.get("groups") or (), user.get("uid", ""), user.get("extra") or {}
    )


def access_review(caller: Caller, attributes: Object) -> Object:
    """The question whether he may: a SubjectAccessReview. attributes: resourceAttributes, or others."""
    who = {"user": caller.name, "groups": [*caller.groups], "uid": caller.uid}
    extra = {key: [*values] for key, values in caller.extra.items()}
    return {"spec": {**who, "extra": extra, **attributes}}
