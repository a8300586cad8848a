"""Merged messages say what the single ones said."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from etcdlite import coalesce
from etcdlite.raft.messages import Entry, EntryType, Message, MessageType


def entry(index: int, data: bytes = b"x", kind: EntryType = EntryType.NORMAL) -> Entry:
    return Entry(2, index, kind, data)


def append(after: int, count: int, commit: int = 0) -> Message:
    entries = tuple(entry(after + 1 + i) for i in range(count))
    return Message(
        MessageType.APP, to=2, from_=1, term=2, log_term=2, index=after, entries=entries, commit=commit
    )


def answer(index: int, **fields: Any) -> Message:
    return Message(MessageType.APP_RESP, to=1, from_=2, term=2, index=index, **fields)


def proposal(*entries: Entry, context: bytes = b"2") -> Message:
    return Message(MessageType.PROP, to=1, from_=2, entries=entries, context=context)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=10))
def test_a_chain_of_appends_is_one_append(counts: list[int]) -> None:
    messages, at = [], 5
    for number, count in enumerate(counts):
        messages.append(append(at, count, commit=number))
        at += count
    assert coalesce.coalesce(messages) == [append(5, sum(counts), commit=len(counts) - 1)]


def test_a_gap_or_a_repetition_is_no_chain() -> None:
    for messages in ([append(5, 1), append(7, 1)], [append(5, 2), append(5, 2)]):
        assert coalesce.coalesce(messages) == messages


def test_the_last_of_several_answers_holds_for_all() -> None:
    rejection = answer(9, reject=True)
    assert coalesce.coalesce([answer(6), answer(8), rejection, answer(9)]) == [
        answer(8),
        rejection,
        answer(9),
    ]


def test_proposals_to_one_leader_travel_together_but_a_membership_change_alone() -> None:
    x, y, change = entry(0, b"x"), entry(0, b"y"), entry(0, b"z", EntryType.CONF_CHANGE)
    messages = [proposal(x), proposal(y), proposal(change), proposal(x), proposal(x, context=b"3")]
    assert coalesce.coalesce(messages) == [proposal(x, y), *messages[2:]]


def test_a_merged_message_stays_of_bearable_size() -> None:
    large = entry(0, b"x" * (coalesce.MERGED_SIZE_BYTES // 2))
    assert len(coalesce.coalesce([proposal(large)] * 5)) == 3


def test_what_carries_a_round_of_its_own_is_left_alone() -> None:
    beats = [Message(MessageType.HEARTBEAT, to=2, from_=1, term=2, context=bytes([i])) for i in range(3)]
    assert coalesce.coalesce(beats) == beats
