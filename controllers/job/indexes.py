"""Core: sets of completion indexes, as text such as `1,3-5,7` and as intervals.

A Job may have a hundred thousand indexes: sets are sorted, disjoint intervals with gaps between them, and no
function here walks over single indexes but for those it was given or gives back.

After: k8s pkg/controller/job/indexed_job_utils.go
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Indexes:
    """A set of indexes; each interval names its first and its last."""

    intervals: tuple[tuple[int, int], ...] = ()

    @classmethod
    def of(cls, indexes: Iterable[int]) -> Indexes:
        """The set of single indexes, in any order."""
        return _joined((each, each) for each in sorted(indexes))

    @classmethod
    def parse(cls, text: str, completions: int) -> Indexes:
        """The indexes below `completions` that a text names; what cannot be read in it is passed over."""
        intervals = []
        for part in text.split(",") if text else ():
            limits = part.split("-")
            if all(each.isascii() and each.isdigit() for each in limits):
                first, last = int(limits[0]), min(int(limits[-1]), completions - 1)
                if first <= last:
                    intervals.append((first, last))
        return _joined(sorted(intervals))

    def __str__(self) -> str:
        return ",".join(_format(*each) for each in self.intervals)

    def __len__(self) -> int:
        return sum(last - first + 1 for first, last in self.intervals)

    def __contains__(self, index: int) -> bool:
        at = bisect_left(self.intervals, index, key=lambda interval: interval[1])
        return at < len(self.intervals) and self.intervals[at][0] <= index

    def __or__(self, other: Indexes) -> Indexes:
        return _joined(sorted(self.intervals + other.intervals))

    def __and__(self, other: Indexes) -> Indexes:
        common = []
        mine, others = list(self.intervals), list(other.intervals)
        while mine and others:
            first, last = max(mine[0][0], others[0][0]), min(mine[0][1], others[0][1])
            if first <= last:
                common.append((first, last))
            (mine if mine[0][1] == last or mine[0][1] < others[0][1] else others).pop(0)
        return Indexes(tuple(common))

    def first_missing(self, count: int, completions: int) -> list[int]:
        """The lowest indexes below `completions` that are not in the set, at most `count`."""
        missing: list[int] = []
        candidate = 0
        for first, last in (*self.intervals, (completions, completions)):
            end = min(first, completions, candidate + count - len(missing))
            missing += range(candidate, end)
            if len(missing) >= count:
                break
            candidate = last + 1
        return missing


def _joined(intervals: Iterable[tuple[int, int]]) -> Indexes:
    """One set of sorted intervals, of which some may touch or overlap."""
    joined: list[tuple[int, int]] = []
    for first, last in intervals:
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(joined[-1][1], last))
        else:
            joined.append((first, last))
    return Indexes(tuple(joined))


def _format(first: int, last: int) -> str:
    if first == last:
        return str(first)
    return f"{first},{last}" if last == first + 1 else f"{first}-{last}"
