"""Core: what the leader knows of one member's log, and how fast it may send to it.

             rejection, unreachable                 needs what was compacted
        .--------------------------- REPLICATE --------------------.
        v        an entry matches ->     ^                         v
      PROBE -----------------------------'  (sent, or not)     SNAPSHOT
        ^------------------------------------------------------'

PROBE      the leader guesses where the logs agree: one message, then wait for the answer or a heartbeat's.
REPLICATE  the guess was right: messages flow ahead of their answers, up to the window (inflights.py).
SNAPSHOT   the member needs entries that are gone: nothing is sent until the snapshot arrived or failed.

Invariants: match_index < next_index; match_index never goes back while the leader leads.
After: etcd-io/raft tracker/progress.go; thesis 10.2.1 for pipelining.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

from etcdlite.raft.inflights import Inflights

INFLIGHT_COUNT = 256
INFLIGHT_BYTES = 16 << 20


class ProgressState(IntEnum):
    """How the leader sends to this member."""

    PROBE = 0
    REPLICATE = 1
    SNAPSHOT = 2


@dataclass(slots=True)
class Progress:
    """The leader's picture of one member.

    match_index: the highest entry known to be stored there. next_index: the next entry to send.
    is_waiting: the one probe is out. is_active: heard of since the last quorum check.
    inflight: the appends sent and not answered. heartbeat_round: the newest round answered.
    """

    next_index: int
    match_index: int = 0
    is_learner: bool = False
    state: ProgressState = ProgressState.PROBE
    is_waiting: bool = False
    is_active: bool = False
    pending_snapshot_index: int = 0
    inflight: Inflights = field(default_factory=lambda: Inflights(INFLIGHT_COUNT, INFLIGHT_BYTES))
    heartbeat_round: int = 0

    def _enter(self, state: ProgressState) -> None:
        self.state = state
        self.is_waiting = False
        self.pending_snapshot_index = 0
        self.inflight.clear()

    def become_probe(self) -> None:
        """Guess anew from what is certain (after a snapshot: from what the snapshot would hold)."""
        pending = self.pending_snapshot_index if self.state is ProgressState.SNAPSHOT else 0
        self._enter(ProgressState.PROBE)
        self.next_index = max(self.match_index, pending) + 1

    def become_replicate(self) -> None:
        self._enter(ProgressState.REPLICATE)
        self.next_index = self.match_index + 1

    def become_snapshot(self, index: int) -> None:
        self._enter(ProgressState.SNAPSHOT)
        self.pending_snapshot_index = index

    def is_paused(self) -> bool:
        """Whether an append must wait."""
        if self.state is ProgressState.PROBE:
            return self.is_waiting
        if self.state is ProgressState.REPLICATE:
            return self.inflight.is_full
        return True

    def sent(self, last_index: int, size_bytes: int) -> None:
        """Account for an append just sent, ending at last_index; an empty one has no size."""
        assert not self.is_paused()
        if self.state is ProgressState.PROBE:
            self.is_waiting = True
        elif size_bytes:
            assert last_index >= self.next_index
            self.next_index = last_index + 1  # optimistic: the next append need not wait for this answer
            self.inflight.add(last_index, size_bytes)

    def matched(self, index: int) -> bool:
        """The member stores all up to `index`; whether that is news."""
        self.next_index = max(self.next_index, index + 1)
        if index <= self.match_index:
            return False
        self.match_index = index
        self.is_waiting = False
        assert self.match_index < self.next_index
        return True

    def free_inflight_to(self, index: int) -> None:
        self.inflight.free_to(index)

    def free_one_inflight(self) -> None:
        """A heartbeat's answer proves the link lives: let one more append go, should the answers be lost."""
        if self.inflight.is_full:
            self.inflight.free_one()

    def rejected(self, index: int, hint: int) -> bool:
        """The member refused an append that followed `index`; whether to try again at `hint` + 1.

        False means the answer is stale: it belongs to an older message than those that matter now.
        """
        if self.state is ProgressState.REPLICATE:
            if index <= self.match_index:
                return False
            self.next_index = self.match_index + 1
            return True
        if index != self.next_index - 1:
            return False
        self.next_index = max(min(index, hint + 1), self.match_index + 1)
        self.is_waiting = False
        return True
