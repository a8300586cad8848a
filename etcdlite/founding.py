"""Shell: the state and the log a member begins with as one of its cluster's founders.

Founders compute the same ids and rows, each for itself, from the flags alone; a restored snapshot only adds
rows, and its digest to what the ids are made of. So members restored from different files never take one
another for members of one cluster.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from etcdlite import members as membership
from etcdlite import wal as wal_files
from etcdlite.apply import APPLIED, POSITION
from etcdlite.errors import StartupError
from etcdlite.members import Members
from etcdlite.mvcc.backend import META
from etcdlite.mvcc.backend_lmdb import LmdbBackend
from etcdlite.mvcc.format import FORMAT_KEY, encode_format
from etcdlite.raft.messages import HardState, SnapshotMetadata
from etcdlite.wal import Identity, Wal

FOUNDING = (1, 1)
"""Index and term of the state the founders agree on without a word."""

FOUNDING_STATE = HardState(term=FOUNDING[1], commit=FOUNDING[0])
RESTORED = b"restored"  # row of the meta bucket: the digest of the snapshot the cluster was restored from

Cluster = Mapping[str, Sequence[str]]


def identity_of(name: str, cluster: Cluster, token: str, restored: bytes | None = None) -> Identity:
    """Who the member of this name is."""
    if name not in cluster:
        raise StartupError(f"--name {name}: not in --initial-cluster")
    salt = _salt(token, restored)
    members = [membership.member_id(urls, salt) for urls in cluster.values()]
    return Identity(membership.cluster_id(members), membership.member_id(cluster[name], salt))


def founders(cluster: Cluster, token: str, restored: bytes | None = None) -> list[Any]:
    """All founding members."""
    return membership.founders(cluster, _salt(token, restored))


async def begin(
    folder: Path, backend: LmdbBackend, identity: Identity, founding_members: Sequence[Any]
) -> tuple[Wal, SnapshotMetadata]:
    """Write the founding rows to the backend, then a log that follows them."""
    members = Members(backend)
    for member in founding_members:
        members.put(member)
    backend.put(META, APPLIED, POSITION.pack(*FOUNDING))
    backend.put(META, FORMAT_KEY, encode_format())
    await backend.flush()
    mark = SnapshotMetadata(*FOUNDING, members.conf_state)
    return Wal.create(
        folder / "wal", wal_files.Identity(identity.cluster_id, identity.member_id), FOUNDING_STATE, mark
    ), mark


def _salt(token: str, restored: bytes | None) -> str:
    return token if restored is None else f"{token} restored {restored.hex()}"
