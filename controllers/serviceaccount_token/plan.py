"""Core: decides what a Secret of type kubernetes.io/service-account-token lacks, and when it goes.

Sees: the Secret, the ServiceAccount that it names (asked for live when the cache has none).
Says: Update with token, namespace and ca.crt; Delete when the account is gone or is another by now.
Invariants: a token that is there stays.
Absent: references from the account to its Secrets. Tokens that nobody uses: legacy_token_cleaner.
After: k8s pkg/controller/serviceaccount/tokens_controller.go, syncSecret, generateTokenIfNeeded.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from kube.api import meta
from kube.api.actions import Action, Delete, Update
from kube.api.lasting_tokens import ACCOUNT_NAME, ACCOUNT_UID
from kube.api.meta import Object
from kube.api.resources import SECRETS

# account, Secret -> token
Sign = Callable[[Object, Object], str]


@dataclass(frozen=True, slots=True)
class Seen:
    """The Secret, the account of the name it says, the authority to publish (PEM), who signs."""

    secret: Object
    account: Object | None
    root_ca: str | None
    sign: Sign


def plan(seen: Seen, _: datetime) -> list[Action]:
    """Fill, delete or leave the Secret."""
    secret, account = seen.secret, seen.account
    if meta.is_terminating(secret):
        return []
    if account is None or meta.annotations(secret).get(ACCOUNT_UID) not in (None, "", meta.uid(account)):
        return [Delete(SECRETS, meta.namespace(secret), meta.name(secret), meta.uid(secret))]
    data = dict(secret.get("data") or {})
    if seen.root_ca:
        data["ca.crt"] = _encoded(seen.root_ca)
    data["namespace"] = data.get("namespace") or _encoded(meta.namespace(secret))
    data["token"] = data.get("token") or _encoded(seen.sign(account, secret))
    if data == (secret.get("data") or {}):
        return []
    annotations = meta.annotations(secret) | {
        ACCOUNT_NAME: meta.name(account),
        ACCOUNT_UID: meta.uid(account),
    }
    metadata = {**secret["metadata"], "annotations": annotations}
    return [Update(SECRETS, {**secret, "metadata": metadata, "data": data})]


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
