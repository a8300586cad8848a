"""Core: one probe of one container: when it is due, and what its results make of the container.

    startup    not started until it succeeds; the other two wait for it;  fails -> the container is restarted
    liveness   alive until it fails -> the container is restarted
    readiness  not ready until it succeeds, and again whenever it fails

A result counts when it has come `successThreshold` or `failureThreshold` times in a row. What could not be
asked at all (an unknown result) changes nothing.

Invariants: after a failure for which the container is restarted nothing is asked any more; an earlier
kubelet's word on readiness and start stands until a probe says otherwise.
After: k8s pkg/kubelet/prober/worker.go, prober_manager.go.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from kube.api.meta import Object
from kubelet.pod.state import Health

KINDS = ("startup", "liveness", "readiness")
# What a container is taken for before its probes have said anything; of its start nothing is.
PRESUMED = {"liveness": True, "readiness": False}


class Outcome(Enum):
    """How one asking ended."""

    SUCCESS = "success"
    FAILURE = "failure"
    UNKNOWN = "unknown"


@dataclass(slots=True)
class Probe:
    """verdict: what the results make of it so far; None before any counted."""

    kind: str
    spec: Object
    verdict: bool | None = None
    next_at: datetime | None = None
    _last: Outcome | None = None
    _run: int = 0

    @property
    def is_over(self) -> bool:
        """Nothing is to be asked any more: it has started, or must be restarted."""
        return (self.kind == "startup" and self.verdict is not None) or (
            self.kind == "liveness" and self.verdict is False
        )

    @property
    def timeout_seconds(self) -> float:
        return float(self.spec.get("timeoutSeconds") or 1)

    def first_at(self, started_at: datetime) -> datetime:
        """When to ask first of a container that started then."""
        return started_at + timedelta(seconds=self.spec.get("initialDelaySeconds") or 0)

    def take(self, outcome: Outcome, now: datetime) -> bool:
        """Count a result; True when the verdict has changed."""
        self.next_at = now + timedelta(seconds=self.spec.get("periodSeconds") or 10)
        if outcome is Outcome.UNKNOWN:
            return False
        self._run = self._run + 1 if outcome is self._last else 1
        self._last = outcome
        succeeded = outcome is Outcome.SUCCESS
        threshold = self.spec.get("successThreshold") or 1
        if not succeeded:
            threshold = self.spec.get("failureThreshold") or 3
        if self._run < threshold or self.verdict is succeeded:
            return False
        before, self.verdict = self.verdict, succeeded
        # That it is (still) alive, or not yet ready, is what one takes it for anyway.
        return before is not None or succeeded is not PRESUMED.get(self.kind)


class Probes:
    """All probes of a container that started then; ready, started: what was known of it before."""

    def __init__(self, spec: Object, started_at: datetime, *, ready: bool, started: bool) -> None:
        self.started_at = started_at
        self._probes = {
            kind: Probe(kind, spec[f"{kind}Probe"]) for kind in KINDS if spec.get(f"{kind}Probe") is not None
        }
        if "startup" in self._probes and started:
            self._probes["startup"].verdict = True
        if "readiness" in self._probes and ready:
            self._probes["readiness"].verdict = True

    def health(self) -> Health:
        """What they have said so far."""
        ready = "readiness" not in self._probes or self._probes["readiness"].verdict is True
        failed = [kind for kind in ("startup", "liveness") if self._has_failed(kind)]
        return Health(self._is_started, ready, failed[0] if failed else "")

    def due(self, now: datetime, besides: Container[str] = ()) -> list[Probe]:
        """Those to ask now, besides the kinds that are being asked."""
        return [each for each, at in self._times() if at <= now and each.kind not in besides]

    def next_at(self, besides: Container[str] = ()) -> datetime | None:
        """When the next one is due; None when there is nothing more to ask."""
        return min((at for each, at in self._times() if each.kind not in besides), default=None)

    def _times(self) -> list[tuple[Probe, datetime]]:
        if self.health().failed:
            return []
        asked = [each for each in self._probes.values() if not each.is_over]
        if not self._is_started:
            asked = [each for each in asked if each.kind == "startup"]
        return [(each, each.next_at or each.first_at(self.started_at)) for each in asked]

    @property
    def _is_started(self) -> bool:
        return "startup" not in self._probes or self._probes["startup"].verdict is True

    def _has_failed(self, kind: str) -> bool:
        return kind in self._probes and self._probes[kind].verdict is False
