"""Shell: the tokens in pods' volumes, each asked of the API server once and again before it ends.

After: k8s pkg/kubelet/token/token_manager.go.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from kube.api import meta
from kube.api.meta import Object
from kube.api.resources import SERVICE_ACCOUNTS
from kube.base.clock import Clock
from kube.client.rest import Client
from kubelet.volumes.files import TokenWish

# A token is replaced after this share of its life, or after this long.
SHARE_OF_LIFE = 0.8
AGE_MAX = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Token:
    """One that was given."""

    text: str
    issued_at: datetime
    expires_at: datetime

    def is_due(self, now: datetime) -> bool:
        """True when another is to take its place."""
        life = self.expires_at - self.issued_at
        return now > self.issued_at + min(life * SHARE_OF_LIFE, AGE_MAX)


class Tokens:
    """Those of all pods of the node."""

    def __init__(self, client: Client, clock: Clock) -> None:
        self._client, self._clock = client, clock
        self._given: dict[str, dict[TokenWish, Token]] = {}

    async def get(self, pod: Object, wish: TokenWish) -> str:
        """One that holds for a while; StatusError or ConnectionFailed where none can be had."""
        given = self._given.setdefault(meta.uid(pod), {})
        token = given.get(wish)
        if token is None or token.is_due(self._clock.now()):
            token = given[wish] = await self._ask(pod, wish)
        return token.text

    def due(self) -> list[str]:
        """The uids of the pods with a token to replace."""
        now = self._clock.now()
        return [uid for uid, given in self._given.items() if any(each.is_due(now) for each in given.values())]

    def forget(self, pod_uid: str) -> None:
        self._given.pop(pod_uid, None)

    async def _ask(self, pod: Object, wish: TokenWish) -> Token:
        bound = {"apiVersion": "v1", "kind": "Pod", "name": meta.name(pod), "uid": meta.uid(pod)}
        spec = {
            "audiences": [wish.audience] if wish.audience else [],
            "expirationSeconds": wish.seconds,
            "boundObjectRef": bound,
        }
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        account = pod["spec"].get("serviceAccountName") or "default"
        answer = await self._client.create(
            SERVICE_ACCOUNTS, request, meta.namespace(pod), subresource="token", name=account
        )
        status = answer["status"]
        return Token(status["token"], self._clock.now(), meta.parse_time(status["expirationTimestamp"]))
