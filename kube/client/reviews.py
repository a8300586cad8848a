"""Shell: has tokens and accesses reviewed by the API server, and remembers its answers for a while.

The group system:masters may do all things in any cluster: for it nobody is asked.

After: k8s staging/src/k8s.io/apiserver/pkg/authentication/authenticatorfactory/delegating.go,
pkg/authorization/authorizerfactory/delegating.go there
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Hashable
from typing import Generic, TypeVar

import orjson

from kube.api import meta
from kube.api.errors import StatusError
from kube.api.meta import Object
from kube.api.resources import SUBJECT_ACCESS_REVIEWS, TOKEN_REVIEWS
from kube.api.reviews import Caller, access_review, caller_of
from kube.base.logs import logger
from kube.client.rest import Client, ConnectionFailed

log = logger(__name__)

TOKEN_SECONDS = 120.0
# What is remembered at most; then the oldest goes.
REMEMBERED_MAX = 1024

T = TypeVar("T")


class Unreviewed(Exception):
    """The API server gives no answer."""


class Remembered(Generic[T]):
    """Answers, each for a time of its own."""

    def __init__(self) -> None:
        self._answers: dict[Hashable, tuple[float, T]] = {}

    def get(self, key: Hashable) -> T | None:
        """The answer, unless it is too old."""
        until, answer = self._answers.get(key, (0.0, None))
        return answer if asyncio.get_running_loop().time() < until else None

    def put(self, key: Hashable, answer: T, seconds: float) -> None:
        self._answers.pop(key, None)
        self._answers[key] = asyncio.get_running_loop().time() + seconds, answer
        while len(self._answers) > REMEMBERED_MAX:
            del self._answers[next(iter(self._answers))]


class Reviews:
    """Asks; how long an answer is remembered differs from server to server."""

    def __init__(self, client: Client, allowed_seconds: float, forbidden_seconds: float) -> None:
        self._client = client
        self._allowed_seconds, self._forbidden_seconds = allowed_seconds, forbidden_seconds
        self._callers: Remembered[Caller] = Remembered()
        self._verdicts: Remembered[bool] = Remembered()

    async def by_token(self, authorization: str) -> Caller | None:
        """Whose bearer token stands in a header; None for a wrong one, and where the API server is silent."""
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            return None
        key = hashlib.sha256(token.encode()).digest()
        caller = self._callers.get(key)
        if caller is None and (caller := await self._reviewed(token.strip())):
            self._callers.put(key, caller, TOKEN_SECONDS)
        return caller

    async def _reviewed(self, token: str) -> Caller | None:
        try:
            answer = await self._client.create(TOKEN_REVIEWS, {"spec": {"token": token}})
        except (StatusError, ConnectionFailed) as error:
            log.warning("cannot have a token reviewed", error=error)
            return None
        return caller_of(answer.get("status") or {})

    async def allows(self, caller: Caller, attributes: Object) -> bool:
        """Whether he may; attributes: those of a SubjectAccessReview. Raises Unreviewed."""
        if caller.is_master:
            return True
        question = access_review(caller, attributes)
        key = orjson.dumps(question)
        verdict = self._verdicts.get(key)
        if verdict is not None:
            return verdict
        try:
            answer = await self._client.create(SUBJECT_ACCESS_REVIEWS, question)
        except (StatusError, ConnectionFailed) as error:
            log.warning("cannot have an access reviewed", user=caller.name, error=error)
            raise Unreviewed from error
        allowed = bool(meta.get(answer, "status", "allowed", default=False))
        self._verdicts.put(key, allowed, self._allowed_seconds if allowed else self._forbidden_seconds)
        return allowed
