"""Shell: asks those who may know a caller, one after the other.

    a proxy's certificate + its headers -> a token: static, of a ServiceAccount, of bootstrapping
                                        -> a client's certificate -> anonymous, where that is allowed

After: k8s pkg/kubeapiserver/authenticator/config.go
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from apiserver.authentication import bootstrap_tokens
from apiserver.authentication.request_header import Headers, RequestHeader
from apiserver.authentication.static_tokens import StaticTokens
from apiserver.authentication.tokens import Tokens
from apiserver.authentication.user import User, anonymous
from kube.api.meta import Object
from kube.base.clock import Clock


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is at the other end of a connection, by its certificate.

    user: whom the clients' authority says it is.
    proxy: the common name that the proxies' authority has signed; None: it has not.
    """

    user: User | None = None
    proxy: str | None = None


NOBODY = Peer()


@dataclass(frozen=True, slots=True)
class Authenticator:
    """find_secret: for bootstrap tokens; None: these are not taken."""

    tokens: Tokens
    clock: Clock
    static: StaticTokens = field(default_factory=StaticTokens)
    find_secret: Callable[[str, str], Object | None] | None = None
    request_header: RequestHeader = field(default_factory=RequestHeader)
    allows_anonymous: bool = True

    def by_headers(self, peer: Peer, headers: Headers) -> User | None:
        """For whom a proxy asks."""
        return self.request_header.user_of(peer.proxy, headers) if peer.proxy is not None else None

    def by_token(self, token: str, audiences: Sequence[str] = ()) -> User | None:
        """Whose a token is; one that is for nobody in particular is for this server."""
        if not audiences or set(audiences) & set(self.tokens.audiences):
            if (user := self.static.authenticate(token)) is not None:
                return user
            if self.find_secret is not None and (
                user := bootstrap_tokens.authenticate(token, self.find_secret, self.clock.now())
            ):
                return user
        return self.tokens.authenticate(token, audiences)

    def by_certificate(self, peer: Peer) -> User | None:
        """Whom a certificate names; who shows none is anonymous, or nobody."""
        return peer.user or (anonymous() if self.allows_anonymous else None)
