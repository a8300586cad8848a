"""Core: tokens without an end, which stand in Secrets, and the words for how they are used and when they go.

The API servers write on such a Secret the day when its token was last used, and, in a ConfigMap, since when
they do so; the controller manager writes the day since when the token is not valid, or deletes the Secret.

After: k8s pkg/serviceaccount/util.go, pkg/controlplane/controller/legacytokentracking/controller.go.
"""

from __future__ import annotations

from datetime import UTC, date, datetime

TYPE = "kubernetes.io/service-account-token"
ACCOUNT_NAME = "kubernetes.io/service-account.name"
ACCOUNT_UID = "kubernetes.io/service-account.uid"

# Labels of the Secret; each is a day.
LAST_USED = "kubernetes.io/legacy-token-last-used"
INVALID_SINCE = "kubernetes.io/legacy-token-invalid-since"

TRACKING_NAMESPACE = "kube-system"
TRACKING_NAME = "kube-apiserver-legacy-service-account-token-tracking"
TRACKING_SINCE = "since"


def format_day(at: datetime) -> str:
    """`2026-11-22`, in UTC."""
    return at.astimezone(UTC).date().isoformat()


def parse_day(text: str) -> date | None:
    """The day such a text means; None if it means none."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if day.isoformat() == text else None
