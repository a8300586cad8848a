"""Shell: tells by which authority a connection's certificate was signed: the clients' or the proxies'.

The handshake takes certificates of both. Which of the two it was decides what a certificate is good for: a
proxy's certificate is no user, and a client's certificate speaks for nobody else. Where there are proxies,
certificates count if one of the two has signed them itself, without others in between.

After: k8s staging/src/k8s.io/apiserver/pkg/authentication/request/x509/verify_options.go
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from apiserver.authentication.authenticator import Peer
from apiserver.authentication.x509 import common_name, user_of
from kube.base.startup import StartupError


class Peers:
    """proxy_ca_file: the proxies' authority; empty: there are none."""

    def __init__(self, client_ca_file: str = "", proxy_ca_file: str = "") -> None:
        self._clients: Sequence[x509.Certificate] = ()
        self._proxies: Sequence[x509.Certificate] = ()
        if proxy_ca_file:
            self._clients = _load("--client-ca-file", client_ca_file)
            self._proxies = _load("--requestheader-client-ca-file", proxy_ca_file)

    def of(self, certificate: Mapping[str, Any] | None, encoded: bytes | None) -> Peer:
        """Who shows a certificate, as `ssl` describes and encodes it; the handshake has checked it."""
        if not self._proxies or not encoded:
            return Peer(user_of(certificate, encoded))
        shown = x509.load_der_x509_certificate(encoded)
        user = user_of(certificate, encoded) if _is_signed_by(shown, self._clients) else None
        proxy = common_name(certificate) if _is_signed_by(shown, self._proxies) else None
        return Peer(user, proxy)


def _is_signed_by(certificate: x509.Certificate, authorities: Sequence[x509.Certificate]) -> bool:
    for each in authorities:
        try:
            certificate.verify_directly_issued_by(each)
        except (InvalidSignature, ValueError, TypeError):
            continue
        return True
    return False


def _load(flag: str, path: str) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(Path(path).read_bytes())
    except (OSError, ValueError) as error:
        raise StartupError(f"{flag} {path}: {error}") from error
