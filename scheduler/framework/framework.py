"""Core: the plug-ins of the registry, sorted by extension point, and how each point runs them.

Invariants: plug-ins run in the registry's order; the first refusal of a node is its verdict; a plug-in
whose pre_filter said SKIP is not asked about nodes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from scheduler.framework.interface import (
    SUCCESS,
    ClusterEvent,
    Code,
    CycleState,
    Filter,
    Plugin,
    PreEnqueue,
    PreFilter,
    Score,
    Verdict,
)
from scheduler.framework.node_info import NodeInfo
from scheduler.framework.pod_info import PodInfo


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of the registry: a plug-in and what its score weighs."""

    plugin: Plugin
    weight: int = 1


class Framework:
    """Runs the plug-ins."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._entries = tuple(entries)
        self._events = {entry.plugin.name: entry.plugin.events for entry in entries}

    def pre_enqueue(self, pod: PodInfo) -> Verdict:
        for entry in self._entries:
            if isinstance(entry.plugin, PreEnqueue):
                verdict = entry.plugin.pre_enqueue(pod)
                if verdict.is_refusal:
                    return replace(verdict, plugin=entry.plugin.name)
        return SUCCESS

    def pre_filter(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> FilterRun | Verdict:
        """The filters that concern this pod, ready to be asked about nodes; or why no node will do."""
        active: list[tuple[str, Filter]] = []
        for entry in self._entries:
            plugin = entry.plugin
            verdict = plugin.pre_filter(state, pod, nodes) if isinstance(plugin, PreFilter) else SUCCESS
            if verdict.is_refusal:
                return replace(verdict, plugin=plugin.name)
            if verdict.code is not Code.SKIP and isinstance(plugin, Filter):
                active.append((plugin.name, plugin))
        return FilterRun(state, pod, tuple(active))

    def score(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> list[float]:
        """The weighted sum of all scores, a node each."""
        totals = [0.0] * len(nodes)
        for entry in self._entries:
            if isinstance(entry.plugin, Score):
                for i, value in enumerate(entry.plugin.score(state, pod, nodes)):
                    totals[i] += entry.weight * value
        return totals

    def is_woken_by(self, plugin_names: frozenset[str], event: ClusterEvent) -> bool:
        """True when `event` may change the mind of one of the plug-ins that refused a pod."""
        return any(event in self._events.get(name, ()) for name in plugin_names)


@dataclass(frozen=True, slots=True)
class FilterRun:
    """The filters of one scheduling cycle."""

    state: CycleState
    pod: PodInfo
    filters: tuple[tuple[str, Filter], ...]

    def check(self, node: NodeInfo) -> Verdict:
        for name, plugin in self.filters:
            verdict = plugin.filter(self.state, self.pod, node)
            if verdict is not SUCCESS and verdict.is_refusal:
                return replace(verdict, plugin=name)
        return SUCCESS
