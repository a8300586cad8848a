"""Core: what a majority of voters has agreed on.

Two majorities of the same voters share a member; all of Raft's safety stands on that. The same function that
finds the commit index finds the newest heartbeat round a majority answered (read_only.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum


class VoteResult(Enum):
    """How an election stands."""

    PENDING = "pending"
    LOST = "lost"
    WON = "won"


def majority(voter_count: int) -> int:
    """The size of the smallest majority."""
    assert voter_count > 0
    return voter_count // 2 + 1


def agreed(voters: tuple[int, ...], reached: Mapping[int, int]) -> int:
    """The highest number that a majority of voters has reached (Raft 5.3: stored on a majority)."""
    assert voters, "a cluster without voters agrees on nothing"
    numbers = sorted((reached.get(voter, 0) for voter in voters), reverse=True)
    result = numbers[majority(len(voters)) - 1]
    assert sum(number >= result for number in numbers) >= majority(len(voters))
    return result


def vote_result(voters: tuple[int, ...], votes: Mapping[int, bool]) -> VoteResult:
    """Won with a majority of yes, lost once a majority of yes is out of reach."""
    granted = sum(votes.get(voter, False) for voter in voters)
    missing = sum(voter not in votes for voter in voters)
    needed = majority(len(voters))
    if granted >= needed:
        return VoteResult.WON
    return VoteResult.PENDING if granted + missing >= needed else VoteResult.LOST
