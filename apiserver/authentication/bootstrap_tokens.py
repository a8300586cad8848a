"""Core: tokens by which a new machine joins: `<id>.<secret>`, each in a Secret of kube-system.

After: k8s plugin/pkg/auth/authenticator/token/bootstrap/bootstrap.go,
staging/src/k8s.io/cluster-bootstrap/token/{api,util}
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from collections.abc import Callable
from datetime import datetime

from apiserver.authentication.user import User, known
from kube.api import meta
from kube.api.meta import Object

NAMESPACE, PREFIX = "kube-system", "bootstrap-token-"
TYPE = "bootstrap.kubernetes.io/token"
TOKEN = re.compile(r"([a-z0-9]{6})\.([a-z0-9]{16})")
GROUP = "system:bootstrappers"
EXTRA_GROUP = re.compile(r"system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]")


def authenticate(token: str, find_secret: Callable[[str, str], Object | None], now: datetime) -> User | None:
    """Whose a token is; None for one that is not valid (any more)."""
    match = TOKEN.fullmatch(token)
    secret = find_secret(NAMESPACE, PREFIX + match[1]) if match else None
    if match is None or secret is None or secret.get("type") != TYPE or meta.is_terminating(secret):
        return None
    data = {key: _text(value) for key, value in (secret.get("data") or {}).items()}
    if not hmac.compare_digest(data.get("token-secret", "").encode(), match[2].encode()):
        return None
    if data.get("token-id") != match[1] or data.get("usage-bootstrap-authentication") != "true":
        return None
    if not _is_in_time(data.get("expiration", ""), now):
        return None
    extra = [each for each in data.get("auth-extra-groups", "").split(",") if each]
    if not all(EXTRA_GROUP.fullmatch(each) for each in extra):
        return None
    return known(f"system:bootstrap:{match[1]}", (GROUP, *extra))


def _is_in_time(expiration: str, now: datetime) -> bool:
    """True for no expiration; one that cannot be read has passed."""
    if not expiration:
        return True
    try:
        ends = datetime.fromisoformat(expiration)
    except ValueError:
        return False
    return ends.tzinfo is not None and now < ends


def _text(value: str) -> str:
    try:
        return base64.b64decode(value, validate=True).decode()
    except (binascii.Error, ValueError):
        return ""
