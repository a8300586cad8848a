"""Core: whom to believe, as the API server publishes it for servers like this one.

    certificate of the front proxies' authority, an allowed name  -> whom the headers name
    certificate of the clients' authority                         -> whom it names itself

After: k8s staging/src/k8s.io/apiserver/pkg/server/options/authentication.go (lookupMissingConfigInCluster);
pkg/authentication/request/headerrequest/requestheader.go there
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from kube.api import front_proxy, meta
from kube.api.meta import Object
from kube.api.reviews import AUTHENTICATED, Caller, by_subject, subject_of

Headers = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Trust:
    """What the ConfigMap says; authorities in PEM, allowed_names: none means any."""

    client_ca: str
    proxy_ca: str
    allowed_names: tuple[str, ...]
    user_headers: tuple[str, ...]
    group_headers: tuple[str, ...]
    uid_headers: tuple[str, ...]
    extra_prefixes: tuple[str, ...]

    @classmethod
    def of(cls, config_map: Object) -> Trust:
        """Read it; ValueError for what cannot be read."""
        data: Mapping[str, str] = meta.get(config_map, "data", default=None) or {}

        def words(name: str) -> tuple[str, ...]:
            return tuple(json.loads(data.get(f"requestheader-{name}") or "[]"))

        return cls(
            data.get("client-ca-file", ""),
            data.get("requestheader-client-ca-file", ""),
            words("allowed-names"),
            words("username-headers"),
            words("group-headers"),
            words("uid-headers"),
            words("extra-headers-prefix"),
        )

    @property
    def authorities(self) -> str:
        """All whose certificates may be shown."""
        return f"{self.client_ca}\n{self.proxy_ca}"

    def caller(self, subject: Mapping[str, object], encoded: bytes, headers: Headers) -> Caller | None:
        """Who asks; None if that is not to be believed. The certificate is one of the authorities'."""
        if self._is_proxy(subject, encoded):
            return self._named(headers)
        return by_subject(subject) if is_issued_by(encoded, self.client_ca) else None

    def _is_proxy(self, subject: Mapping[str, object], encoded: bytes) -> bool:
        name = next((value for key, value in subject_of(subject) if key == "commonName"), "")
        return (not self.allowed_names or name in self.allowed_names) and is_issued_by(encoded, self.proxy_ca)

    def _named(self, headers: Headers) -> Caller | None:
        name = next(_values(headers, self.user_headers), "")
        if not name:
            return None
        groups = list(_values(headers, self.group_headers))
        known = [] if "system:unauthenticated" in groups or AUTHENTICATED in groups else [AUTHENTICATED]
        extra = front_proxy.extra_of(headers, self.extra_prefixes)
        return Caller(name, (*groups, *known), next(_values(headers, self.uid_headers), ""), extra)


def _values(headers: Headers, names: Iterable[str]) -> Iterator[str]:
    return (value for wanted in names for name, value in headers if name.lower() == wanted.lower() and value)


def is_issued_by(encoded: bytes, authorities: str) -> bool:
    """Whether one of these authorities has signed the certificate; TLS looks at all else."""
    if "BEGIN CERTIFICATE" not in authorities:
        return False
    certificate = x509.load_der_x509_certificate(encoded)
    for authority in x509.load_pem_x509_certificates(authorities.encode()):
        try:
            certificate.verify_directly_issued_by(authority)
        except (InvalidSignature, ValueError, TypeError):
            continue
        return True
    return False
