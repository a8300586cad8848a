"""State Machine Safety (Raft 5.4): what anyone applied at an index, everyone applies there.

Every entry applied anywhere is remembered. However often a request was proposed, it stands in the log once;
and while a member runs it never takes back its commit index.
"""

from __future__ import annotations

from etcdlite import codec
from etcdlite.raft.messages import Entry, EntryType


class StateMachineSafety:
    """`entries` are all that was ever applied, by index."""

    def __init__(self) -> None:
        self.entries: dict[int, Entry] = {}
        self._commit_of: dict[int, int] = {}
        self._index_of_request: dict[int, int] = {}

    def applied(self, member_id: int, entry: Entry) -> bool:
        """A member applied an entry; whether it is the first to do so."""
        is_first = entry.index not in self.entries
        known = self.entries.setdefault(entry.index, entry)
        assert known == entry, f"member {member_id} applied {entry}, another {known}"
        self._check_once(entry)
        return is_first

    def _check_once(self, entry: Entry) -> None:
        if entry.data and entry.type is EntryType.NORMAL:
            request_id = codec.decode_command(entry.data)[0]
            index = self._index_of_request.setdefault(request_id, entry.index)
            assert index == entry.index, f"request {request_id} was applied at {index} and {entry.index}"

    def committed(self, member_id: int, commit: int) -> None:
        """A running member says how far it is."""
        assert commit >= self._commit_of.get(member_id, 0), f"member {member_id} took back its commit index"
        self._commit_of[member_id] = commit

    def restarted(self, member_id: int) -> None:
        self._commit_of.pop(member_id, None)
