"""Core: how fast a number of replicas may follow what the metrics ask for, and how far.

    wanted -> stabilized: the most careful recommendation of the window -> limited by rate, least and most

Memory is what was recommended and done before; each step gives a new one.

After: k8s pkg/controller/podautoscaler/horizontal.go, normalizeDesiredReplicas,
normalizeDesiredReplicasWithBehaviors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import ceil
from typing import Any

from kube.api.meta import Object

SCALE_UP_FACTOR, SCALE_UP_LEAST = 2, 4
WINDOW_MAX = timedelta(hours=1)

Moments = tuple[tuple[int, datetime], ...]


@dataclass(frozen=True, slots=True)
class Memory:
    """Of one autoscaler: recommendations, and by how many replicas it went up and down, each with its time.

    asked: the change that was asked for last, before it was seen: old, new, when.
    """

    recommended: Moments = ()
    ups: Moments = ()
    downs: Moments = ()
    asked: tuple[int, int, datetime] | None = None

    def seen(self, current: int) -> Memory:
        """What was asked for has happened, or has not."""
        if self.asked is None:
            return self
        old, new, at = self.asked
        if current != new:
            return replace(self, asked=None)
        if new > old:
            return replace(self, asked=None, ups=(*self.ups, (new - old, at)))
        return replace(self, asked=None, downs=(*self.downs, (old - new, at)))

    def recommending(self, replicas: int, now: datetime) -> Memory:
        """With one more recommendation, and without what is too old to matter."""

        def recent(moments: Moments) -> Moments:
            return tuple(each for each in moments if each[1] > now - WINDOW_MAX)

        recommended = (*recent(self.recommended), (replicas, now))
        return replace(self, recommended=recommended, ups=recent(self.ups), downs=recent(self.downs))


@dataclass(frozen=True, slots=True)
class Bounds:
    """least, most, behavior: of the spec; window: of scaling down, where the spec does not say."""

    least: int
    most: int
    window: timedelta
    behavior: Object | None = None


@dataclass(frozen=True, slots=True)
class Limited:
    """The replicas to have, and the conditions that say why: (reason, message), and whether it is a limit."""

    replicas: int
    able: tuple[str, str]
    limit: tuple[str, str]
    is_limited: bool


READY = ("ReadyForNewScale", "recommended size matches current size")
UP_STABILIZED = (
    "ScaleUpStabilized",
    "recent recommendations were lower than current one, applying the lowest recent recommendation",
)
DOWN_STABILIZED = (
    "ScaleDownStabilized",
    "recent recommendations were higher than current one, applying the highest recent recommendation",
)
WITHIN = ("DesiredWithinRange", "the desired count is within the acceptable range")
TOO_MANY = ("TooManyReplicas", "the desired replica count is more than the maximum replica count")
TOO_FEW = ("TooFewReplicas", "the desired replica count is less than the minimum replica count")
UP_LIMIT = ("ScaleUpLimit", "the desired replica count is increasing faster than the maximum scale rate")
DOWN_LIMIT = ("ScaleDownLimit", "the desired replica count is decreasing faster than the maximum scale rate")


def limit(current: int, wanted: int, bounds: Bounds, memory: Memory, now: datetime) -> Limited:
    """What becomes of a wish."""
    behavior = bounds.behavior
    goal = _stabilized(current, wanted, bounds, memory, now)
    able = READY
    if goal != wanted:
        able = UP_STABILIZED if behavior is not None and wanted >= current else DOWN_STABILIZED
    if behavior is None:
        replicas, why = _by_rule(current, goal, bounds)
    else:
        replicas, why = _by_behavior(current, goal, bounds, behavior, memory, now)
    return Limited(replicas, able, why, replicas != goal)


def _stabilized(current: int, wanted: int, bounds: Bounds, memory: Memory, now: datetime) -> int:
    def since(window: timedelta) -> list[int]:
        return [replicas for replicas, at in memory.recommended if at > now - window]

    if bounds.behavior is None:
        return max([wanted, *since(bounds.window)])
    # Not less than the least of the one window asks for, and not more than the most of the other.
    up = min([wanted, *since(_window(bounds.behavior["scaleUp"], timedelta()))])
    down = max([wanted, *since(_window(bounds.behavior["scaleDown"], bounds.window))])
    return min(max(current, up), down)


def _window(rules: Any, default: timedelta) -> timedelta:
    seconds = rules.get("stabilizationWindowSeconds")
    return default if seconds is None else timedelta(seconds=seconds)


def _by_rule(current: int, goal: int, bounds: Bounds) -> tuple[int, tuple[str, str]]:
    fastest = max(SCALE_UP_FACTOR * current, SCALE_UP_LEAST)
    most, why = (fastest, UP_LIMIT) if bounds.most > fastest else (bounds.most, TOO_MANY)
    if goal < bounds.least:
        return bounds.least, TOO_FEW
    return (most, why) if goal > most else (goal, WITHIN)


def _by_behavior(
    current: int, goal: int, bounds: Bounds, behavior: Object, memory: Memory, now: datetime
) -> tuple[int, tuple[str, str]]:
    if goal > current:
        fastest = max(current, _rate(current, behavior["scaleUp"], memory.ups, 1, now))
        most, why = (fastest, UP_LIMIT) if bounds.most > fastest else (bounds.most, TOO_MANY)
        return (most, why) if goal > most else (goal, WITHIN)
    if goal < current:
        fastest = min(current, _rate(current, behavior["scaleDown"], memory.downs, -1, now))
        least, why = (fastest, DOWN_LIMIT) if bounds.least < fastest else (bounds.least, TOO_FEW)
        return (least, why) if goal < least else (goal, WITHIN)
    return goal, WITHIN


def _rate(current: int, rules: Any, done: Moments, sign: int, now: datetime) -> int:
    """How many replicas the policies allow by now."""
    selection = rules.get("selectPolicy", "Max")
    if selection == "Disabled":
        return current
    proposals = [_by_policy(current, each, done, sign, now) for each in rules.get("policies") or ()]
    # The largest change is the most replicas on the way up, the fewest on the way down.
    return max(proposals) if (selection == "Max") == (sign > 0) else min(proposals)


def _by_policy(
    current: int, policy: Any, done: Sequence[tuple[int, datetime]], sign: int, now: datetime
) -> int:
    cutoff = now - timedelta(seconds=policy["periodSeconds"])
    start = current - sign * sum(change for change, at in done if at > cutoff)
    if policy["type"] == "Pods":
        return start + sign * int(policy["value"])
    share = start * (1 + sign * policy["value"] / 100)
    return ceil(share) if sign > 0 else int(share)
