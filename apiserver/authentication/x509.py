"""Core: reads a user from a client certificate's subject: CN is the name, each O a group.

TLS has checked the certificate against --client-ca-file by the time this is asked.

After: k8s staging/src/k8s.io/apiserver/pkg/authentication/request/x509/x509.go
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from apiserver.authentication.user import CREDENTIAL, User, known


def user_of(certificate: Mapping[str, Any] | None, encoded: bytes | None) -> User | None:
    """The user named by a certificate as `ssl` describes and encodes it; None without a common name."""
    name, groups = common_name(certificate), _all(certificate, "organizationName")
    if not name:
        return None
    extra = {CREDENTIAL: [f"X509SHA256={hashlib.sha256(encoded or b'').hexdigest()}"]}
    return known(name, groups, extra=extra)


def common_name(certificate: Mapping[str, Any] | None) -> str:
    """The last one, should there be several; empty where there is none."""
    return ("", *_all(certificate, "commonName"))[-1]


def _all(certificate: Mapping[str, Any] | None, field: str) -> tuple[str, ...]:
    subject = (certificate or {}).get("subject", ())
    return tuple(value for pairs in subject for key, value in pairs if key == field)
