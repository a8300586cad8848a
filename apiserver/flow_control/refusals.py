"""Core: how soon a refusal is told, so that being refused again and again does not keep the server busy.

A client in a tight loop that does not heed Retry-After asks again as soon as it is refused. To read its
request and to refuse it costs this server a good part of what it costs to serve one: a thousand connections
that were told at once were refused 3,000 times a second, and of the flow they belonged to, 20 requests were
served. Only so many of a level are told at once; the others learn it a little later, in turn. A client that
waits a second, as it is told, does not notice.

After: nothing; the real server has threads for this, and a note in
k8s staging/src/k8s.io/apiserver/pkg/server/filters/priority-and-fairness.go that it might wait, too
"""

from __future__ import annotations

from dataclasses import dataclass

# Told at once, and after that so many a second.
AT_ONCE = 100
A_SECOND = 100
DELAY_SECONDS_MAX = 5.0


@dataclass(slots=True)
class Refusals:
    """Of one level; `_until` is when all that were promised will have been told, at the pace."""

    _until: float = 0.0

    def delay(self, now: float) -> float:
        """Seconds until the next one is told."""
        self._until = max(self._until, now) + 1 / A_SECOND
        late = self._until - now - AT_ONCE / A_SECOND
        if late > DELAY_SECONDS_MAX:
            self._until -= late - DELAY_SECONDS_MAX
        return min(max(0.0, late), DELAY_SECONDS_MAX)
