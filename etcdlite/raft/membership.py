"""Core: membership changes, one member at a time (Raft thesis 4.1).

Any majority of the old members and any majority of the new ones overlap when they differ by one member, so
no joint phase is needed, as long as changes follow one another: leader.py refuses a second change until the
first is applied. A change takes effect when its entry is applied, as in etcd.
"""

from __future__ import annotations

from etcdlite.raft.messages import NONE, ConfChange, ConfChangeType, ConfState


def change(conf_state: ConfState, conf_change: ConfChange) -> ConfState:
    """The membership after one step; a step that changes nothing (or names nobody) is harmless."""
    member = conf_change.member_id
    if member == NONE or conf_change.type is ConfChangeType.UPDATE_MEMBER:
        return conf_state
    voters = set(conf_state.voters) - {member}
    learners = set(conf_state.learners) - {member}
    if conf_change.type is ConfChangeType.ADD_MEMBER:
        voters.add(member)
    elif conf_change.type is ConfChangeType.ADD_LEARNER:
        learners.add(member)
    after = ConfState(tuple(sorted(voters)), tuple(sorted(learners)))
    assert len(set(conf_state.voters) ^ set(after.voters)) <= 1, "one voter at a time"
    return after
