"""Shell: makes and checks the tokens of ServiceAccounts: JWTs signed with the key the controllers and API
servers share.

A token names its account by uid, so that it dies with it: an account deleted and made anew is another. One
that is bound to a pod, a Secret or a node dies with that, too. Tokens are signed with one key, and checked
with it and with those that it has replaced, or that will replace it.

After: k8s pkg/serviceaccount/{claims,jwt}.go; pkg/registry/core/serviceaccount/storage/token.go
"""

from __future__ import annotations

import base64
import hashlib
import re
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
from kube.api.resources import NODES, PODS, SECRETS, SERVICE_ACCOUNTS, Resource
from kube.base.clock import Clock
from kube.base.run import StartupError

GROUP = "system:serviceaccounts"
CLAIM = "kubernetes.io"
# Who issues tokens without an end, those in Secrets; the beginning of their claims too.
LASTING = "kubernetes/serviceaccount"
# A controller shows its token with each request; a check of its signature takes 0.1 ms.
KNOWN_MAX = 1000
PEM_BLOCK = re.compile(rb"-----BEGIN [A-Z ]+-----.+?-----END [A-Z ]+-----\n?", re.DOTALL)
# Longer ones, for who knows how many audiences, are checked each time.
KNOWN_CHARS_MAX = 8192
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


# The objects a token is bound to, by their kinds in lower case; a node beside a pod is only told.
Bound = dict[str, Object]
BOUND_TO = {"pod": PODS, "secret": SECRETS, "node": NODES}
# How long a token goes on after its pod was to be gone.
LEEWAY = timedelta(seconds=60)
# What stands under a namespace and name now.
Find = Callable[[Resource, str, str], Object | None]


@dataclass(frozen=True, slots=True)
class PublicKey:
    """What tokens are checked with; id: by which they name it."""

    key: Any
    algorithm: str
    id: str

    @classmethod
    def of(cls, key: Any) -> PublicKey:
        """Of an RSA or EC P-256 key; ValueError for others."""
        algorithm = _algorithm(key)
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        digest = hashlib.sha256(key.public_bytes(serialization.Encoding.DER, form)).digest()
        return cls(key, algorithm, base64.urlsafe_b64encode(digest).rstrip(b"=").decode())

    def jwk(self) -> dict[str, Any]:
        """As a JSON Web Key."""
        made: dict[str, Any] = jwt.get_algorithm_by_name(self.algorithm).to_jwk(self.key, as_dict=True)
        return made | {"use": "sig", "alg": self.algorithm, "kid": self.id}


def _algorithm(key: Any) -> str:
    if isinstance(key, rsa.RSAPublicKey):
        return "RS256"
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
        return "ES256"
    raise ValueError("neither an RSA nor an EC P-256 key")


@dataclass(frozen=True, slots=True)
class KeyPair:
    """The signing key, and what its tokens are checked with."""

    private: Any
    public: PublicKey

    @classmethod
    def of(cls, private: Any) -> KeyPair:
        """Of an RSA or EC P-256 key."""
        return cls(private, PublicKey.of(private.public_key()))

    @classmethod
    def load(cls, path: str) -> KeyPair:
        """Read a PEM private key."""
        flag = f"--service-account-signing-key-file {path}"
        try:
            return cls.of(serialization.load_pem_private_key(Path(path).read_bytes(), None))
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise StartupError(f"cannot read {flag}: {error}") from error


def load_public(path: str) -> list[PublicKey]:
    """The public keys of a PEM file, of which private ones count as their public halves."""
    flag = f"--service-account-key-file {path}"
    try:
        found = [PublicKey.of(_public(block)) for block in PEM_BLOCK.findall(Path(path).read_bytes())]
    except (OSError, ValueError, TypeError) as error:
        raise StartupError(f"cannot read {flag}: {error}") from error
    if not found:
        raise StartupError(f"{flag}: there is no PEM key in it")
    return found


def _public(pem: bytes) -> Any:
    if b"PRIVATE KEY" in pem.partition(b"\n")[0]:
        private: Any = serialization.load_pem_private_key(pem, None)
        return private.public_key()
    return serialization.load_pem_public_key(pem)


@dataclass(frozen=True, slots=True)
class Issuing:
    """How tokens are made and checked.

    audiences: whom tokens are for that say nothing else; this server takes those for any of them.
    others: public keys that signatures may also be of.
    jwks_uri: where others find the keys, if not at this server.
    """

    keys: KeyPair
    issuer: str
    audiences: tuple[str, ...] = ()
    others: tuple[PublicKey, ...] = ()
    jwks_uri: str = ""


class Tokens:
    """Signs and checks tokens."""

    def __init__(
        self,
        issuing: Issuing,
        clock: Clock,
        find: Find,
        note_use: Callable[[Object], None] = lambda secret: None,
    ) -> None:
        self._keys, self.issuer, self.jwks_uri = issuing.keys, issuing.issuer, issuing.jwks_uri
        self.audiences = issuing.audiences or (issuing.issuer,)
        self._public = {each.id: each for each in (issuing.keys.public, *issuing.others)}
        self._clock, self._find, self._note_use = clock, find, note_use
        self._known: dict[tuple[str, tuple[str, ...]], dict[str, Any]] = {}

    @property
    def algorithms(self) -> list[str]:
        return sorted({each.algorithm for each in self._public.values()})

    def public_jwks(self) -> list[dict[str, Any]]:
        """The public keys as JSON Web Keys."""
        return [each.jwk() for each in self._public.values()]

    def sign(
        self,
        account: Object,
        audiences: Sequence[str],
        seconds: int,
        token_id: str,
        bound: Bound | None = None,
    ) -> tuple[str, datetime]:
        """A token for an account, perhaps bound to an object of some kind, and when it expires."""
        now = self._clock.now()
        expires_at = now + timedelta(seconds=seconds)
        about: dict[str, Any] = {
            "namespace": meta.namespace(account),
            "serviceaccount": {"name": meta.name(account), "uid": meta.uid(account)},
        }
        for kind, o in (bound or {}).items():
            about[kind] = {"name": meta.name(o), "uid": meta.uid(o)}
        claims = {
            "iss": self.issuer,
            "sub": f"system:serviceaccount:{meta.namespace(account)}:{meta.name(account)}",
            "aud": list(audiences) or list(self.audiences),
            "exp": int(expires_at.timestamp()),
            "iat": int(now.timestamp()),
            "nbf": int(now.timestamp()),
            "jti": token_id,
            CLAIM: about,
        }
        public, headers = self._keys.public, {"kid": self._keys.public.id}
        return jwt.encode(claims, self._keys.private, public.algorithm, headers), expires_at

    def authenticate(self, token: str, audiences: Sequence[str] = ()) -> User | None:
        """The user a token stands for, or None when it is not valid (any more)."""
        try:
            claims = self._verified(token, tuple(audiences) or self.audiences)
        except jwt.InvalidIssuerError:
            is_ours = not audiences or set(audiences) & set(self.audiences)
            return self._authenticate_lasting(token) if is_ours else None
        except jwt.InvalidTokenError:
            return None
        about = claims.get(CLAIM) or {}
        namespace, named = about.get("namespace", ""), about.get("serviceaccount") or {}
        account = self._find(SERVICE_ACCOUNTS, namespace, named.get("name", ""))
        if account is None or meta.uid(account) != named.get("uid") or not self._is_bound(namespace, about):
            return None
        return account_user(namespace, named["name"], named["uid"], _extra(claims, about))

    def _is_bound(self, namespace: str, about: Mapping[str, Any]) -> bool:
        """True while what the token is bound to is there."""
        for kind, resource in BOUND_TO.items():
            named = about.get(kind)
            if not named or (kind == "node" and "pod" in about):
                continue
            o = self._find(resource, namespace if resource.namespaced else "", named.get("name", ""))
            if o is None or meta.uid(o) != named.get("uid"):
                return False
            ends = meta.deletion_time(o)
            if ends is not None and ends + LEEWAY < self._clock.now():
                return False
        return True

    def _verified(self, token: str, audiences: tuple[str, ...]) -> dict[str, Any]:
        """Its claims; a signature that was good stays good, and only its time is looked at again."""
        known = self._known.get((token, audiences))
        if known is not None and known["exp"] > self._clock.now().timestamp():
            return known
        claims = self._decoded(token, issuer=self.issuer, audience=list(audiences))
        if len(token) + sum(map(len, audiences)) > KNOWN_CHARS_MAX:
            return claims
        if len(self._known) >= KNOWN_MAX:
            self._known.clear()
        self._known[token, audiences] = claims
        return claims

    def _decoded(self, token: str, **checks: Any) -> dict[str, Any]:
        """The claims of a token that one of the keys has signed, by the algorithm that is the key's."""
        named = self._public.get(jwt.get_unverified_header(token).get("kid", ""))
        failure: jwt.InvalidTokenError = jwt.InvalidSignatureError("no key fits")
        for each in (named,) if named is not None else self._public.values():
            try:
                claims: dict[str, Any] = jwt.decode(token, each.key, [each.algorithm], **checks)
            except (jwt.InvalidSignatureError, jwt.InvalidAlgorithmError) as error:
                failure = error
                continue
            return claims
        raise failure

    def _authenticate_lasting(self, token: str) -> User | None:
        """The same for a token that has no end; it counts for as long as its Secret holds it."""
        try:
            claims = self._decoded(token, issuer=LASTING, options={"verify_aud": False})
        except jwt.InvalidTokenError:
            return None
        namespace, name, uid, secret_name = (
            str(claims.get(f"{LASTING}/{part}", ""))
            for part in ("namespace", "service-account.name", "service-account.uid", "secret.name")
        )
        account = self._find(SERVICE_ACCOUNTS, namespace, name)
        secret = self._find(SECRETS, namespace, secret_name)
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
