"""Core: what a controller has done but not yet seen, so as not to do it twice; and what it failed to do.

A controller that has just created five pods will find none of them in its cache for a few milliseconds;
planning from that cache would create five more. So before it acts it notes how many creations and which
deletions its informer must show first; the informer's events tick them off, and until then `satisfied` is
false. What fails is ticked off at once. A note older than five minutes no longer counts: better a look too
many than none ever.

After: k8s pkg/controller/controller_utils.go, ControllerExpectations.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

TIMEOUT = timedelta(minutes=5)


@dataclass(slots=True)
class Expected:
    """What one key still waits for."""

    since: datetime
    creations: int = 0
    deletions: set[str] = field(default_factory=set)


class Expectations:
    """Creations (counted) and deletions (by uid) awaited, by the key of their controller's object."""

    def __init__(self) -> None:
        self._expected: dict[str, Expected] = {}
        self._failures: dict[str, str] = {}

    def satisfied(self, key: str, now: datetime) -> bool:
        """True when everything expected was seen, or has been waited for too long."""
        expected = self._expected.get(key)
        if expected is None:
            return True
        return (expected.creations <= 0 and not expected.deletions) or now - expected.since > TIMEOUT

    def expect(self, key: str, creations: int, deletions: Iterable[str], now: datetime) -> None:
        """Wait for these from now on, instead of what was waited for before."""
        expected = Expected(now, creations, set(deletions))
        if expected.creations or expected.deletions:
            self._expected[key] = expected

    def created(self, key: str) -> None:
        """A creation was seen, or will not happen."""
        expected = self._expected.get(key)
        if expected is not None:
            expected.creations -= 1

    def deleted(self, key: str, uid: str) -> None:
        """A deletion was seen, or will not happen."""
        expected = self._expected.get(key)
        if expected is not None:
            expected.deletions.discard(uid)

    def failed(self, key: str, why: str) -> None:
        """A creation or deletion was refused."""
        self._failures[key] = why

    def succeeded(self, key: str) -> None:
        """Everything the last plan said was done."""
        self._failures.pop(key, None)

    def failure(self, key: str) -> str | None:
        """Why the last plan could not be carried out, if it could not."""
        return self._failures.get(key)

    def forget(self, key: str) -> None:
        """The object behind the key is gone."""
        self._expected.pop(key, None)
        self._failures.pop(key, None)
