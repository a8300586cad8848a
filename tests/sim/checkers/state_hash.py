"""Equal states: whatever a member went through, at an index it is as one that was never disturbed.

Beside the members runs a state machine of the same code that only applies, in order: no crash, no snapshot,
no lost tail. At every tenth index and in the end each member's state must hash to its hash; so must what
clients can compare, HashKV at a revision.
"""

from __future__ import annotations

from etcdlite import codec
from etcdlite.apply import Applier
from etcdlite.lease.lessor import Lessor
from etcdlite.members import Members
from etcdlite.mvcc.backend import BucketRow, MemoryBackend
from etcdlite.mvcc.store import Store
from etcdlite.pb import command_pb2
from etcdlite.raft.messages import ConfChange, Entry, EntryType
from tests.sim import rows
from tests.sim.member import Member

HASH_EVERY = 10


class StateHash:
    """`hashes` are the undisturbed machine's, by index."""

    def __init__(self, founding: list[BucketRow]) -> None:
        backend = MemoryBackend()
        rows.fill(backend, founding)
        self.store = Store(backend)
        self._members = Members(backend)
        self._applier = Applier(backend, self.store, Lessor(backend))
        self._hashes: dict[int, str] = {}
        self._hash_kvs: dict[tuple[int, int], int] = {}

    def committed(self, entry: Entry) -> None:
        """The next entry of the log, told when the first member applied it."""
        assert entry.index == self._applier.applied[0] + 1, f"nobody applied what precedes {entry}"
        command = None
        if entry.type is EntryType.CONF_CHANGE:
            change = ConfChange.decode(entry.data)
            self._members.apply(change, command_pb2.MembershipChange.FromString(change.context).member)
        elif entry.data:
            command = codec.decode_command(entry.data)[1]
        self._applier.apply(entry.index, entry.term, command)
        self._remember(entry.index)

    def _remember(self, index: int) -> None:
        if index % HASH_EVERY == 0:
            self._hashes[index] = rows.state_hash(self.store)

    def applied(self, member: Member, index: int) -> None:
        """A member applied an entry."""
        if index % HASH_EVERY == 0:
            self.check(member)

    def check(self, member: Member) -> None:
        """A member's state is what it must be where it stands."""
        index, store = member.applied, member.node.store
        found = rows.state_hash(store)
        known = self._hashes.setdefault(index, found)
        assert known == found, f"member {member.id} is in another state at {index}"
        for revision in {store.revision, max(store.compacted, 1)}:
            found_kv = store.hash_kv(revision)
            known_kv = self._hash_kvs.setdefault((revision, store.compacted), found_kv)
            assert known_kv == found_kv, f"member {member.id} has another HashKV at revision {revision}"
