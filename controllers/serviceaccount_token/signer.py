"""Shell: signs lasting tokens with the key that the API servers check tokens with.

After: k8s pkg/serviceaccount/legacy.go, LegacyClaims.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from kube.api import meta
from kube.api.meta import Object
from kube.base.run import StartupError

ISSUER = "kubernetes/serviceaccount"


@dataclass(frozen=True, slots=True)
class Signer:
    """A private key and the algorithm it is for."""

    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

    @classmethod
    def load(cls, path: str) -> Signer:
        """Read a PEM private key: RSA or EC P-256."""
        flag = f"--service-account-private-key-file {path}"
        try:
            key = serialization.load_pem_private_key(Path(path).read_bytes(), None)
        except (OSError, ValueError, TypeError) as error:
            raise StartupError(f"cannot read {flag}: {error}") from error
        if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
            raise StartupError(f"{flag}: neither an RSA nor an EC key")
        return cls(key)

    def sign(self, account: Object, secret: Object) -> str:
        """A token without an end; it dies with its Secret or its account."""
        about = f"{ISSUER}/"
        claims = {
            "iss": ISSUER,
            "sub": f"system:serviceaccount:{meta.namespace(account)}:{meta.name(account)}",
            f"{about}namespace": meta.namespace(account),
            f"{about}secret.name": meta.name(secret),
            f"{about}service-account.name": meta.name(account),
            f"{about}service-account.uid": meta.uid(account),
        }
        algorithm = "RS256" if isinstance(self.key, rsa.RSAPrivateKey) else "ES256"
        return jwt.encode(claims, self.key, algorithm=algorithm)
