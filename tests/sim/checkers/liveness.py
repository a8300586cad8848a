"""Liveness: once nothing goes wrong any more, someone leads, all keep up with him, and calls are answered."""

from __future__ import annotations

from collections.abc import Mapping

from tests.sim.member import Member

ANSWER_TICKS_MAX = 100


def check_members(members: Mapping[int, Member], lag_max: int) -> list[Member]:
    """The members that still belong to the cluster, of whom none is far behind."""
    leader = next((member for member in members.values() if member.is_leader), None)
    assert leader is not None, "peace, and nobody leads"
    belonging = [members[member_id] for member_id in leader.conf_state.members]
    lag = max(member.applied for member in belonging) - min(member.applied for member in belonging)
    assert lag <= lag_max, f"peace, and {lag} entries behind"
    return belonging


def check_clients(now: int, last_answer_at: int) -> None:
    assert last_answer_at > now - ANSWER_TICKS_MAX, f"peace, and the last answer came at {last_answer_at}"
