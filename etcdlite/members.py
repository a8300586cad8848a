"""Core: who belongs to the cluster, as rows of the state machine, and the ids everyone agrees on beforehand.

A member's row is an etcdserverpb.Member: peer URLs from the start, name and client URLs once it published
them. The membership Raft counts with is read off these rows, so that the two can never differ;
a snapshot finds it in a row of its own.

Invariants: ids of founding members and of the cluster depend on flags alone, as all founders compute them.
After: etcd server/etcdserver/api/membership.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from etcdlite.mvcc.backend import MEMBERS, META, Backend
from etcdlite.pb import raft_pb2, rpc_pb2
from etcdlite.raft.messages import ConfChange, ConfChangeType, ConfState

CONF_STATE = b"conf_state"
REMOVED = b"removed/"  # and the id of a member that is gone for good: its id never comes back


def member_id(peer_urls: Iterable[str], salt: str) -> int:
    """A member's id; the salt is the cluster's token for founders, the time of the request for later ones."""
    return _id("".join(sorted(peer_urls)) + salt)


def cluster_id(member_ids: Iterable[int]) -> int:
    """The id of the cluster these members found."""
    return _id("".join(f"{member:016x}" for member in sorted(member_ids)))


def _id(text: str) -> int:
    return int.from_bytes(hashlib.sha1(text.encode(), usedforsecurity=False).digest()[:8], "big")


def founders(initial_cluster: Mapping[str, Sequence[str]], token: str) -> list[Any]:
    """The founding members, from --initial-cluster and its token."""
    return [
        rpc_pb2.Member(ID=member_id(urls, token), peerURLs=urls)
        for _, urls in sorted(initial_cluster.items())
    ]


class Members:
    """The rows of the members bucket, kept as messages too, for they are asked often."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self.by_id: dict[int, Any] = {}
        self.removed: set[int] = set()
        self.restored()

    def restored(self) -> None:
        """Read them again: the backend holds another state now."""
        self.by_id = {
            int.from_bytes(key, "big"): rpc_pb2.Member.FromString(row)
            for key, row in self._backend.scan(MEMBERS)
        }

    @property
    def conf_state(self) -> ConfState:
        return conf_state(self.by_id.values())

    def put(self, member: Any) -> None:
        """Add a member, or replace what is known of it."""
        self.by_id[member.ID] = member
        self._backend.put(MEMBERS, member.ID.to_bytes(8, "big"), member.SerializeToString())
        self._backend.put(META, CONF_STATE, encode_conf_state(self.conf_state))

    def publish(self, attributes: Any) -> None:
        """A started member tells its name and client URLs."""
        known = self.by_id.get(attributes.ID)
        if known is not None:  # it may have been removed meanwhile
            member = rpc_pb2.Member()
            member.CopyFrom(known)
            member.name = attributes.name
            member.clientURLs[:] = attributes.clientURLs
            self.put(member)

    def knows(self, attributes: Any) -> bool:
        """Whether these were published already."""
        known = self.by_id.get(attributes.ID)
        return known is not None and (known.name, known.clientURLs) == (
            attributes.name,
            attributes.clientURLs,
        )

    def apply(self, change: ConfChange, member: Any) -> None:
        """Make a committed change of the membership."""
        if change.type is ConfChangeType.REMOVE_MEMBER:
            member_key = change.member_id.to_bytes(8, "big")
            self.by_id.pop(change.member_id, None)
            self.removed.add(change.member_id)
            self._backend.delete(MEMBERS, member_key)
            self._backend.put(META, REMOVED + member_key, b"")
            self._backend.put(META, CONF_STATE, encode_conf_state(self.conf_state))
            return
        known = self.by_id.get(change.member_id)
        if known is not None:
            member.name = known.name
            member.clientURLs[:] = known.clientURLs
        member.ID = change.member_id
        self.put(member)


def conf_state(members: Iterable[Any]) -> ConfState:
    """The membership Raft counts with."""
    members = list(members)
    return ConfState(
        tuple(sorted(member.ID for member in members if not member.isLearner)),
        tuple(sorted(member.ID for member in members if member.isLearner)),
    )


def encode_conf_state(state: ConfState) -> bytes:
    """The membership as a row of its own, to be read without the members."""
    data: bytes = raft_pb2.ConfState(voters=state.voters, learners=state.learners).SerializeToString()
    return data


def decode_conf_state(row: bytes | None) -> ConfState:
    """The membership in that row."""
    assert row is not None, "the membership is written with the first member"
    pb = raft_pb2.ConfState.FromString(row)
    return ConfState(tuple(pb.voters), tuple(pb.learners))
