"""Core: rates out of counters: what was used between two readings, and a sum that never goes back.

After: k8s pkg/kubelet/stats/cri_stats_provider.go, getAndUpdateContainerUsageNanoCores
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import timedelta

from kubelet.stats.usage import Amounts

# Over less time a rate says little: then the one before it stands.
SPAN_MIN = timedelta(seconds=1)


class Rates:
    """The last reading of each counter, and its rate then; `spent` is what all of them have counted, those
    that are gone included.
    """

    def __init__(self) -> None:
        self.spent = 0
        self._last: dict[str, Amounts] = {}
        self._counted: dict[str, int] = {}

    def read(self, key: str, amounts: Amounts) -> Amounts:
        """The reading with its rate."""
        counted = self._counted.get(key, 0)
        self.spent += amounts.cpu_nanoseconds - (counted if counted <= amounts.cpu_nanoseconds else 0)
        self._counted[key] = amounts.cpu_nanoseconds
        last = self._last.get(key)
        if last is None:
            self._last[key] = amounts
            return amounts
        span = amounts.at - last.at
        if span < SPAN_MIN:
            return replace(amounts, nano_cores=last.nano_cores)
        used = max(amounts.cpu_nanoseconds - last.cpu_nanoseconds, 0)
        self._last[key] = replace(amounts, nano_cores=int(used / span.total_seconds()))
        return self._last[key]

    def keep(self, keys: Collection[str]) -> None:
        """Forget all others."""
        for key in self._last.keys() - keys:
            del self._last[key], self._counted[key]
