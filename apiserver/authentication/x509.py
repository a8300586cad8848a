"""Core: reads a user from a client certificate's subject: CN is the name, each O a group.

TLS has checked the certificate against --client-ca-file by the time this is asked.

After: k8s staging/src/k8s.io/apiserver/pkg/authentication/request/x509/x509.go
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apiserver.authentication.user import User, known


def user_of(certificate: Mapping[str, Any] | None) -> User | None:
    """The user named by a certificate as `ssl` describes it; None without a common name."""
    name, groups = "", []
    for pairs in (certificate or {}).get("subject", ()):
        for key, value in pairs:
            if key == "commonName":
                name = value
            elif key == "organizationName":
                groups.append(value)
    return known(name, tuple(groups)) if name else None
