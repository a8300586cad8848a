"""Shell: the two halves of a controller: seeing and deciding.

`observe` gathers what the plan needs from informers, and live from the server where a cache is not enough.
`plan` is pure: it belongs to a core, takes what was seen and the time, and says what to do. The loop
(controller.py) does the rest: queue, retries, expectations, carrying out.

A key says which object to look at, not what happened to it: whatever was missed meanwhile is seen too.
"""

from __future__ import annotations

from datetime import datetime
from typing import Protocol, TypeVar

from kube.api.actions import Action

Seen = TypeVar("Seen")


class Reconciler(Protocol[Seen]):
    """What a controller is made of, apart from the loop that all share."""

    async def observe(self, key: str) -> Seen | None:
        """What there is now; None when there is nothing to decide."""

    def plan(self, seen: Seen, now: datetime) -> list[Action]:
        """What to do about it, in order."""
