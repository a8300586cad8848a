"""Shell: makes and checks the tokens of ServiceAccounts: JWTs signed with the key the controllers and API
servers share.

A token names its account by uid, so that it dies with it: an account deleted and made anew is another.

After: k8s pkg/serviceaccount/{claims,jwt}.go; pkg/registry/core/serviceaccount/storage/token.go
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from apiserver.authentication.user import CREDENTIAL, User, known
from kube.api import meta
from kube.api.lasting_tokens import INVALID_SINCE
from kube.api.meta import Object
from kube.base.clock import Clock
from kube.base.run import StartupError

GROUP = "system:serviceaccounts"
CLAIM = "kubernetes.io"
# Who issues tokens without an end, those in Secrets; the beginning of their claims too.
LASTING = "kubernetes/serviceaccount"
# A controller shows its token with each request; a check of its signature takes 0.1 ms.
KNOWN_MAX = 1000
# To whoever shows one that its account lists; only old controllers made such.
GENERATED = (
    "Use tokens from the TokenRequest API or manually created secret-based tokens "
    "instead of auto-generated secret-based tokens."
)


def account_user(namespace: str, name: str, uid: str = "", extra: dict[str, list[str]] | None = None) -> User:
    """The user a ServiceAccount is."""
    return known(f"system:serviceaccount:{namespace}:{name}", (GROUP, f"{GROUP}:{namespace}"), uid, extra)


def _extra(claims: Mapping[str, Any], about: Mapping[str, Any]) -> dict[str, list[str]]:
    """What a token tells besides: its own id, and the pod and node it is bound to."""
    extra = {CREDENTIAL: [f"JTI={claims['jti']}"]} if claims.get("jti") else {}
    for kind in ("pod", "node"):
        for field, value in (about.get(kind) or {}).items():
            extra[f"authentication.kubernetes.io/{kind}-{field}"] = [value]
    return extra


@dataclass(frozen=True, slots=True)
class KeyPair:
    """The signing key and the algorithm it is for."""

    private: Any
    public: Any
    algorithm: str

    @classmethod
    def load(cls, path: str) -> KeyPair:
        """Read a PEM private key: RSA or EC P-256."""
        try:
            private = serialization.load_pem_private_key(Path(path).read_bytes(), None)
        except (OSError, ValueError) as error:
            raise StartupError(f"cannot read --service-account-signing-key-file {path}: {error}") from error
        if isinstance(private, rsa.RSAPrivateKey):
            return cls(private, private.public_key(), "RS256")
        if isinstance(private, ec.EllipticCurvePrivateKey):
            return cls(private, private.public_key(), "ES256")
        raise StartupError(f"--service-account-signing-key-file {path}: neither an RSA nor an EC key")


class Tokens:
    """Signs and checks tokens; `find_account` says what account stands under a namespace and name now."""

    def __init__(
        self,
        keys: KeyPair,
        issuer: str,
        clock: Clock,
        find_account: Callable[[str, str], Object | None],
        find_secret: Callable[[str, str], Object | None] = lambda namespace, name: None,
        note_use: Callable[[Object], None] = lambda secret: None,
    ) -> None:
        self._keys, self.issuer, self._clock = keys, issuer, clock
        self._find_account, self._find_secret, self._note_use = find_account, find_secret, note_use
        self._known: dict[tuple[str, tuple[str, ...]], dict[str, Any]] = {}

    @property
    def algorithm(self) -> str:
        return self._keys.algorithm

    def public_jwk(self) -> dict[str, Any]:
        """The public key as a JSON Web Key."""
        algorithm = jwt.get_algorithm_by_name(self._keys.algorithm)
        key: dict[str, Any] = algorithm.to_jwk(self._keys.public, as_dict=True)
        return key | {"use": "sig", "alg": self._keys.algorithm}

    def sign(
        self,
        account: Object,
        audiences: Sequence[str],
        seconds: int,
        token_id: str,
        bound: tuple[str, Object] | None = None,
    ) -> tuple[str, datetime]:
        """A token for an account, perhaps bound to an object of some kind, and when it expires."""
        now = self._clock.now()
        expires_at = now + timedelta(seconds=seconds)
        about: dict[str, Any] = {
            "namespace": meta.namespace(account),
            "serviceaccount": {"name": meta.name(account), "uid": meta.uid(account)},
        }
        if bound is not None:
            kind, o = bound
            about[kind] = {"name": meta.name(o), "uid": meta.uid(o)}
        claims = {
            "iss": self.issuer,
            "sub": f"system:serviceaccount:{meta.namespace(account)}:{meta.name(account)}",
            "aud": list(audiences) or [self.issuer],
            "exp": int(expires_at.timestamp()),
            "iat": int(now.timestamp()),
            "nbf": int(now.timestamp()),
            "jti": token_id,
            CLAIM: about,
        }
        return jwt.encode(claims, self._keys.private, algorithm=self._keys.algorithm), expires_at

    def authenticate(self, token: str, audiences: Sequence[str] = ()) -> User | None:
        """The user a token stands for, or None when it is not valid (any more)."""
        try:
            claims = self._verified(token, tuple(audiences) or (self.issuer,))
        except jwt.InvalidIssuerError:
            return None if audiences and self.issuer not in audiences else self._authenticate_lasting(token)
        except jwt.InvalidTokenError:
            return None
        about = claims.get(CLAIM) or {}
        namespace, named = about.get("namespace", ""), about.get("serviceaccount") or {}
        account = self._find_account(namespace, named.get("name", ""))
        if account is None or meta.uid(account) != named.get("uid"):
            return None
        return account_user(namespace, named["name"], named["uid"], _extra(claims, about))

    def _verified(self, token: str, audiences: tuple[str, ...]) -> dict[str, Any]:
        """Its claims; a signature that was good stays good, and only its time is looked at again."""
        known = self._known.get((token, audiences))
        if known is not None and known["exp"] > self._clock.now().timestamp():
            return known
        claims: dict[str, Any] = jwt.decode(
            token,
            self._keys.public,
            algorithms=[self._keys.algorithm],
            issuer=self.issuer,
            audience=list(audiences),
        )
        if len(self._known) >= KNOWN_MAX:
            self._known.clear()
        self._known[token, audiences] = claims
        return claims

    def _authenticate_lasting(self, token: str) -> User | None:
        """The same for a token that has no end; it counts for as long as its Secret holds it."""
        try:
            claims = jwt.decode(
                token,
                self._keys.public,
                algorithms=[self._keys.algorithm],
                issuer=LASTING,
                options={"verify_aud": False},
            )
        except jwt.InvalidTokenError:
            return None
        namespace, name, uid, secret_name = (
            str(claims.get(f"{LASTING}/{part}", ""))
            for part in ("namespace", "service-account.name", "service-account.uid", "secret.name")
        )
        account, secret = self._find_account(namespace, name), self._find_secret(namespace, secret_name)
        if account is None or meta.uid(account) != uid or secret is None or meta.is_terminating(secret):
            return None
        held = base64.b64decode(meta.get(secret, "data", "token", default=""))
        if held != token.encode():
            return None
        self._note_use(secret)
        # Nobody had used it for long: its Secret waits to be deleted.
        if meta.labels(secret).get(INVALID_SINCE):
            return None
        listed = [each.get("name") for each in account.get("secrets") or []]
        warnings = (GENERATED,) if secret_name in listed else ()
        return replace(account_user(namespace, name, uid), warnings=warnings)
