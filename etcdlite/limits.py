"""Core: what a member's flags say about size and time."""

from __future__ import annotations

from dataclasses import dataclass

REQUEST_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Limits:
    """The log is cut every `snapshot_count` entries; `catch_up_entries` of them stay for slow members.

    It is in memory, too, so it is also cut when it is larger than `log_bytes`, to half of that.
    """

    election_seconds: float = 1.0
    snapshot_count: int = 10_000
    catch_up_entries: int = 5_000
    log_bytes: int = 64 << 20
    quota_bytes: int = 2 << 30
    request_bytes: int = 1_572_864
    txn_operation_count: int = 128

    @property
    def request_seconds(self) -> float:
        """How long a request may wait: its own time and that of an election."""
        return REQUEST_SECONDS + 2 * self.election_seconds
