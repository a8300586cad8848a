"""Core: decides which lasting tokens nobody uses: first they are marked, a period later deleted.

Sees: a Secret, the ServiceAccount that it names, since when uses are written down, whether a pod has it.
Says: Patch with the day since when the token is good no longer; Delete; RequeueAfter.
Invariants: a Secret that its account does not list was made by people, and stays; nothing is touched before
uses have been written down for a whole period; a marked token is deleted a period later, unless it is used.
After: k8s pkg/controller/serviceaccount/legacy_serviceaccount_token_cleaner.go, evaluateSATokens.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from kube.api import meta
from kube.api.actions import Action, Delete, Patch, RequeueAfter
from kube.api.lasting_tokens import ACCOUNT_UID, INVALID_SINCE, LAST_USED, TYPE, format_day, parse_day
from kube.api.meta import Object
from kube.api.resources import SECRETS

PERIOD = timedelta(days=365)
# Days are compared, and so one look a day is enough.
CHECK_SECONDS = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Seen:
    """A Secret of an account; tracked_since: the day, None if nobody says; period: how long is long."""

    secret: Object
    account: Object
    tracked_since: date | None
    is_mounted: bool
    period: timedelta


def is_generated(secret: Object, account: Object | None) -> bool:
    """True where the account lists the Secret: only old controllers did that by themselves."""
    if secret.get("type") != TYPE or meta.is_terminating(secret) or account is None:
        return False
    if meta.annotations(secret).get(ACCOUNT_UID) not in (None, "", meta.uid(account)):
        return False
    return any(each.get("name") == meta.name(secret) for each in account.get("secrets") or [])


def plan(seen: Seen, now: datetime) -> list[Action]:
    """Mark, delete or leave the Secret; look again in a day."""
    secret, oldest = seen.secret, now - seen.period
    again = RequeueAfter(CHECK_SECONDS)
    if not is_generated(secret, seen.account):
        return []
    if not _is_tracked(seen, oldest) or seen.is_mounted or _is_young(secret, oldest):
        return [again]
    invalid_since = parse_day(meta.labels(secret).get(INVALID_SINCE, ""))
    if invalid_since is None:
        labels = {INVALID_SINCE: format_day(now)}
        patch = {"metadata": {"uid": meta.uid(secret), "labels": labels}}
        return [Patch(SECRETS, meta.namespace(secret), meta.name(secret), patch), again]
    if invalid_since >= oldest.date():
        return [again]
    namespace, name, version = meta.namespace(secret), meta.name(secret), meta.resource_version(secret)
    return [Delete(SECRETS, namespace, name, meta.uid(secret), resource_version=version)]


def _is_tracked(seen: Seen, oldest: datetime) -> bool:
    """True when uses have been written down for a whole period, counted from the first whole day."""
    if seen.tracked_since is None:
        return False
    return datetime.combine(seen.tracked_since + timedelta(days=1), time(), UTC) <= oldest


def _is_young(secret: Object, oldest: datetime) -> bool:
    """True for what was made or used lately, or says something that is no day."""
    last_used = meta.labels(secret).get(LAST_USED)
    if meta.creation_time(secret) >= oldest:
        return True
    if last_used is None:
        return False
    day = parse_day(last_used)
    return day is None or day >= oldest.date()
