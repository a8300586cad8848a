"""Shell: makes a data folder from a snapshot file: a member of a new cluster with the old keys.

Kept are keys with their history, leases and the revision; new are the cluster, its members and the log. A
folder is made under another name and renamed: half a restore is none.

    --bump-revision N   the revision goes up by so much, beyond all that the old cluster's clients have seen
    --mark-compacted    and all before it is compacted: their watches end and they list again

After: etcd etcdutl/snapshot/v3_snapshot.go.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from etcdlite import founding
from etcdlite.apply import APPLIED
from etcdlite.errors import StartupError
from etcdlite.founding import RESTORED, Cluster
from etcdlite.members import CONF_STATE, REMOVED
from etcdlite.mvcc.backend import ALARM, MEMBERS, META, BucketRow
from etcdlite.mvcc.backend_lmdb import LmdbBackend
from etcdlite.mvcc.store import COMPACTED, REVISION
from etcdlite.snapshot_file import SnapshotFile
from etcdlite.wal import Identity

RESTORE_QUOTA_BYTES = 64 << 30  # of the map: the file is as large as it is


@dataclass(frozen=True, slots=True)
class Plan:
    """Whose folder is made, and what is changed on the way."""

    data_dir: Path
    name: str
    cluster: Cluster
    token: str
    bump: int = 0
    mark_compacted: bool = False


async def restore(snapshot: SnapshotFile, plan: Plan) -> Identity:
    """Make the folder; who the member is that will run on it."""
    unfinished = plan.data_dir.with_name(plan.data_dir.name + ".restoring")
    _refuse_used(plan.data_dir)
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True, mode=0o700)
    digest = bytes.fromhex(snapshot.digest)
    identity = founding.identity_of(plan.name, plan.cluster, plan.token, digest)
    backend = LmdbBackend(unfinished / "db", RESTORE_QUOTA_BYTES)
    try:
        await backend.restore(carried_over(snapshot.rows()))
        backend.put(META, RESTORED, digest)
        revision = snapshot.head.revision + plan.bump
        backend.put(META, REVISION, revision.to_bytes(8, "big"))
        if plan.mark_compacted:
            backend.put(META, COMPACTED, revision.to_bytes(8, "big"))
        members = founding.founders(plan.cluster, plan.token, digest)
        wal, _ = await founding.begin(unfinished, backend, identity, members)
        wal.close()
    finally:
        backend.close()
    _put_in_place(unfinished, plan.data_dir)
    return identity


def carried_over(rows: Iterable[BucketRow]) -> Iterator[BucketRow]:
    """The rows that a new cluster takes along: nothing of the old one's members, alarms and log."""
    for bucket, key, value in rows:
        is_of_cluster = bucket == META and (key in (APPLIED, CONF_STATE) or key.startswith(REMOVED))
        if bucket not in (MEMBERS, ALARM) and not is_of_cluster:
            yield bucket, key, value


def _refuse_used(folder: Path) -> None:
    if folder.exists() and any(folder.iterdir()):
        raise StartupError(f"--data-dir {folder}: is not empty: name a folder that does not exist yet")


def _put_in_place(unfinished: Path, folder: Path) -> None:
    if folder.exists():
        folder.rmdir()
    unfinished.rename(folder)
