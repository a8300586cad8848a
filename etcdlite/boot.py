"""Shell: from flags and a data folder to a Node that is ready to run.

    founder      the founders' rows are the state machine at entry 1; the log begins after it
    added later  the others' addresses; a snapshot brings everything else
    restart      the backend says up to where it is durable, the WAL what was promised beyond that

That the founding state counts as an entry means that a member added later never replays the log from its
beginning (where it would miss the founders), but gets a snapshot.

Layout of the folder: lock, db (LMDB), wal/, snapshots/ (files on their way).
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from etcdlite import founding
from etcdlite import wal as wal_files
from etcdlite.apply import APPLIED, Applier, position
from etcdlite.errors import StartupError
from etcdlite.journal import Journal
from etcdlite.lease.lessor import Lessor
from etcdlite.limits import Limits
from etcdlite.log import logger
from etcdlite.members import Members
from etcdlite.mvcc.backend import META
from etcdlite.mvcc.backend_lmdb import LmdbBackend
from etcdlite.mvcc.format import FORMAT_KEY, encode_format, refuse_format
from etcdlite.mvcc.store import Store
from etcdlite.node import TICK_SECONDS, Node
from etcdlite.raft.messages import HardState, Snapshot, SnapshotMetadata
from etcdlite.raft.raw_node import Config, RawNode
from etcdlite.raft.storage import LogDoesNotFit, MemoryStorage, recover
from etcdlite.snapshots import Snapshots
from etcdlite.space import Space
from etcdlite.transport import Identity, Transport, ask_members
from etcdlite.wal import Contents, Wal, WalDamaged, WalTooNew

TAKEOVER_SECONDS = 0.05
"""When the leader's streams break the members campaign in turns: so long each leaves to the one before it."""

DAMAGED_ADVICE = (
    "if the other members are well: etcdctl member remove this one, delete --data-dir, member add it, and "
    "start it with --initial-cluster-state=existing; otherwise restore a snapshot (etcdlite.ctl snapshot)"
)

log = logger("boot")


@dataclass(frozen=True, slots=True)
class Settings:
    """What the flags say about this member and its cluster."""

    name: str
    data_dir: Path
    initial_cluster: Mapping[str, Sequence[str]]
    cluster_token: str
    is_new_cluster: bool = True
    heartbeat_seconds: float = 0.1
    allows_faults: bool = False
    pre_vote: bool = True
    limits: Limits = field(default_factory=Limits)


def lock_folder(folder: Path) -> int:
    """Claim the data folder for this process; the lock goes with the descriptor."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise StartupError(f"--data-dir {folder}: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise StartupError(f"--data-dir {folder}: another member is running on it") from None
    return descriptor


async def open_node(settings: Settings, random: Random, peer_tls: ssl.SSLContext | None) -> Node:
    """Open, found or join."""
    path = settings.data_dir / "db"
    if not wal_files.exists(settings.data_dir / "wal"):
        path.unlink(missing_ok=True)  # a first boot that was cut short
    backend = LmdbBackend(path, settings.limits.quota_bytes)
    if wal_files.exists(settings.data_dir / "wal"):
        identity, wal, storage = _reopen(settings, backend)
    elif settings.is_new_cluster:
        identity, wal, storage = await _found(settings, backend, peer_tls)
    else:
        identity, wal, storage = await _join(settings, backend, peer_tls)
    store, lessor, members = Store(backend), Lessor(backend), Members(backend)
    applier = Applier(backend, store, lessor)
    files = Snapshots(backend, settings.data_dir / "snapshots", random)
    transport = Transport(identity, peer_tls, files)
    config = Config(
        id=identity.member_id,
        election_ticks=round(settings.limits.election_seconds / TICK_SECONDS),
        heartbeat_ticks=round(settings.heartbeat_seconds / TICK_SECONDS),
        storage=storage,
        random=random,
        pre_vote=settings.pre_vote,
        takeover_ticks=round(TAKEOVER_SECONDS / TICK_SECONDS),
        applied=applier.applied[0],
    )
    raft = RawNode(config)
    _advance_ticks(raft, config)
    node = Node(
        member_id=identity.member_id,
        cluster_id=identity.cluster_id,
        raft=raft,
        journal=Journal(wal, storage, settings.limits),
        backend=backend,
        store=store,
        lessor=lessor,
        applier=applier,
        members=members,
        transport=transport,
        limits=settings.limits,
        space=Space(settings.data_dir),
        first_request_id=random.getrandbits(62),
    )
    transport.receiver = node
    return node


def _advance_ticks(raft: RawNode, config: Config) -> None:
    """At boot nobody leads yet, most likely: leave time for two heartbeats to say otherwise, no more."""
    for _ in range(config.election_ticks - 2 * config.heartbeat_ticks):
        raft.tick()


async def _found(
    settings: Settings, backend: LmdbBackend, peer_tls: ssl.SSLContext | None
) -> tuple[Identity, Wal, MemoryStorage]:
    """Begin as one of the founders."""
    identity = founding.identity_of(settings.name, settings.initial_cluster, settings.cluster_token)
    await _refuse_second_founding(settings, identity, peer_tls)
    founders = founding.founders(settings.initial_cluster, settings.cluster_token)
    wal, mark = await founding.begin(settings.data_dir, backend, identity, founders)
    storage = MemoryStorage()
    storage.apply_snapshot(Snapshot(mark))
    storage.set_hard_state(founding.FOUNDING_STATE)
    log.info(
        "founded",
        member=f"{identity.member_id:x}",
        cluster=f"{identity.cluster_id:x}",
        founders=len(founders),
    )
    return Identity(identity.cluster_id, identity.member_id), wal, storage


async def _refuse_second_founding(
    settings: Settings, identity: wal_files.Identity, peer_tls: ssl.SSLContext | None
) -> None:
    """A founder without data may have lost it: it would vote a second time in a term, so it must not run.

    The others know: a founder that has run has told the cluster its name; one removed is not there.
    """
    own_urls = set(settings.initial_cluster[settings.name])
    for answer in await _ask_others(settings, peer_tls):
        mine = next((each for each in answer.members if own_urls & set(each.peerURLs)), None)
        if mine is not None and mine.name:
            raise _wiped(settings, mine.ID)
        is_same_cluster = answer.cluster_id == identity.cluster_id
        if is_same_cluster and (mine is None or identity.member_id != mine.ID):
            raise _wiped(settings, identity.member_id)


def _wiped(settings: Settings, member_id: int) -> StartupError:
    return StartupError(
        f"--data-dir {settings.data_dir}: holds no data, but member {member_id:x} has run in this cluster "
        f"before and may have voted: etcdctl member remove {member_id:x}, member add {settings.name}, "
        "and start it with --initial-cluster-state=existing"
    )


async def _ask_others(settings: Settings, peer_tls: ssl.SSLContext | None) -> list[Any]:
    """What the other members of --initial-cluster say about the membership; some may say nothing."""
    own_urls = set(settings.initial_cluster.get(settings.name, ()))
    others = [url for urls in settings.initial_cluster.values() for url in urls if url not in own_urls]
    answers = await asyncio.gather(*(ask_members(url, peer_tls) for url in others))
    return [answer for answer in answers if answer is not None]


async def _join(
    settings: Settings, backend: LmdbBackend, peer_tls: ssl.SSLContext | None
) -> tuple[Identity, Wal, MemoryStorage]:
    """Begin as a member the cluster has added: with nothing but the others' addresses; the rest is sent."""
    own_urls = set(settings.initial_cluster.get(settings.name, ()))
    answer = next(iter(await _ask_others(settings, peer_tls)), None)
    if answer is None:
        raise StartupError("--initial-cluster: none of the other members says who belongs to the cluster")
    mine = next((member for member in answer.members if own_urls & set(member.peerURLs)), None)
    if mine is None:
        raise StartupError(
            f"--initial-cluster: no member with {', '.join(own_urls)} was added to the cluster"
        )
    if mine.name:
        raise _wiped(settings, mine.ID)
    members = Members(backend)
    for member in answer.members:
        members.put(member)
    backend.put(META, FORMAT_KEY, encode_format())
    await backend.flush()
    whose = wal_files.Identity(answer.cluster_id, mine.ID)
    nothing = SnapshotMetadata(0, 0, members.conf_state)
    wal = Wal.create(settings.data_dir / "wal", whose, HardState(), nothing)
    log.info("joined", member=f"{mine.ID:x}", cluster=f"{answer.cluster_id:x}")
    return Identity(answer.cluster_id, mine.ID), wal, recover(HardState(), (), nothing)


def _reopen(settings: Settings, backend: LmdbBackend) -> tuple[Identity, Wal, MemoryStorage]:
    """Go on from what the disk says."""
    try:
        wal, contents = wal_files.open_wal(settings.data_dir / "wal")
        if problem := refuse_format(backend.durable(META, FORMAT_KEY)):
            raise WalTooNew(problem)
    except WalTooNew as error:
        raise StartupError(f"--data-dir {settings.data_dir}: {error}: start that release on it") from error
    except WalDamaged as error:
        raise StartupError(f"{error}; {DAMAGED_ADVICE}") from error
    assert contents.identity is not None, "checked by open_wal"
    identity = Identity(contents.identity.cluster_id, contents.identity.member_id)
    _refuse_other_cluster(settings, identity, backend.durable(META, founding.RESTORED))
    index, term = position(backend.durable(META, APPLIED))
    applied = SnapshotMetadata(index, term, Members(backend).conf_state)
    try:
        storage = resume(wal, contents, applied)
    except LogDoesNotFit as error:
        raise StartupError(f"{settings.data_dir}: {error}") from error
    log.info(
        "opened",
        member=f"{identity.member_id:x}",
        applied=index,
        last=storage.last_index(),
        term=storage.initial_state()[0].term,
    )
    return identity, wal, storage


def resume(wal: Wal, contents: Contents, applied: SnapshotMetadata) -> MemoryStorage:
    """What Raft reads after a restart; the log is told where it begins if that is not where it ends.

    The state machine is ahead of the log when a crash came just after a snapshot was put in place. What is
    appended from now on follows the snapshot, and would not follow what the log holds.
    """
    storage = recover(contents.hard_state, contents.entries, applied)
    if storage.first_index() > applied.index and contents.snapshot != applied:
        wal.save(None, (), applied)
    return storage


def _refuse_other_cluster(settings: Settings, identity: Identity, restored: bytes | None) -> None:
    """A founder's flags and his data folder must speak of the same member."""
    if not settings.is_new_cluster or settings.name not in settings.initial_cluster:
        return
    cluster, token = settings.initial_cluster, settings.cluster_token
    flags = founding.identity_of(settings.name, cluster, token, restored)
    founders = {member.ID for member in founding.founders(cluster, token, restored)}
    is_later_member = identity.member_id not in founders  # one that took a founder's place
    is_same_member = identity.member_id == flags.member_id or is_later_member
    if identity.cluster_id != flags.cluster_id or not is_same_member:
        raise StartupError(
            f"--data-dir {settings.data_dir}: holds member {identity.member_id:x} "
            f"of cluster {identity.cluster_id:x}, but the flags say member {flags.member_id:x} "
            f"of cluster {flags.cluster_id:x}"
        )
