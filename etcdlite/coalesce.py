"""Core: fewer messages that say the same, for a queue that had to wait for the wire.

Under load a leader makes an append per proposal and a follower an answer per append. What stands side by
side in the queue to one member and continues the other becomes one message:

    append (after 5: 6), append (after 6: 7 8)   -> append (after 5: 6 7 8), with the newer commit index
    matches up to 6, matches up to 8             -> matches up to 8
    proposal (x), proposal (y)                   -> proposal (x y); a membership change always travels alone

Raft allows each: a receiver treats one long append like several short ones, and an answer for a later index
holds for all earlier ones.

Invariants: order is kept; rejections, votes, heartbeats and snapshots are left as they are.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from etcdlite.raft.messages import Entry, EntryType, Message, MessageType

MERGED_SIZE_BYTES = 1 << 20  # of the entries of one message


def coalesce(messages: Iterable[Message]) -> list[Message]:
    """The messages to one member, neighbours merged where that says the same."""
    merged: list[Message] = []
    for message in messages:
        both = _merge(merged[-1], message) if merged else None
        if both is None:
            merged.append(message)
        else:
            merged[-1] = both
    return merged


def _merge(first: Message, second: Message) -> Message | None:
    """One message for two, if they are of one kind, term and sender and the second continues the first."""
    if (first.type, first.term, first.from_, first.to) != (second.type, second.term, second.from_, second.to):
        return None
    match first.type:
        case MessageType.APP if _continues(first, second) and _fits(first, second):
            entries = first.entries + second.entries
            return replace(first, entries=entries, commit=max(first.commit, second.commit))
        case MessageType.APP_RESP if not (first.reject or second.reject) and first.index <= second.index:
            return second
        case MessageType.PROP if first.context == second.context and _fits(first, second):
            return (
                None
                if _changes_membership(first, second)
                else replace(first, entries=first.entries + second.entries)
            )
    return None


def _continues(first: Message, second: Message) -> bool:
    """Does the second append begin where the first one ends?"""
    last = first.entries[-1] if first.entries else Entry(first.log_term, first.index, EntryType.NORMAL, b"")
    return (second.index, second.log_term) == (last.index, last.term)


def _fits(*messages: Message) -> bool:
    return sum(len(entry.data) for message in messages for entry in message.entries) <= MERGED_SIZE_BYTES


def _changes_membership(*messages: Message) -> bool:
    return any(entry.type is EntryType.CONF_CHANGE for message in messages for entry in message.entries)
