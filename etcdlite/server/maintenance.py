"""Shell: etcd's Maintenance service: how this member is, and what an operator may do to it.

Alarms and leadership concern the cluster and go through Raft; status, hashes and defragmentation are this
member's own.

Absent: Snapshot (the file etcdctl would save is bbolt's format: docs/adr/0009-snapshots-of-our-own.md),
Downgrade.
After: etcd server/etcdserver/api/v3rpc/maintenance.go.
"""

from __future__ import annotations

import asyncio
import zlib
from typing import Any

import grpc

from etcdlite import codec
from etcdlite.commands import AlarmAction, AlarmMember
from etcdlite.errors import Refusal, StoreError
from etcdlite.log import logger
from etcdlite.mvcc.backend import SnapshotGone
from etcdlite.node import Node
from etcdlite.pb import rpc_pb2, rpc_pb2_grpc
from etcdlite.server.answers import accept, answer, header
from etcdlite.version import VERSION

HASH_SLICE_ROWS = 1000

SNAPSHOT_ADVICE = (
    "etcdlite: snapshots in etcd's format are absent; use: python -m etcdlite.ctl snapshot save FILE"
)

log = logger("maintenance")


class MaintenanceServicer(rpc_pb2_grpc.MaintenanceServicer):  # type: ignore[misc]  # the stubs are untyped
    """The calls of the Maintenance service."""

    def __init__(self, node: Node) -> None:
        self.node = node

    async def Status(self, request: Any, context: Any) -> Any:  # noqa: N802 # the service's names are etcd's
        node = self.node
        status = node.raft.status()
        errors = [f"memberID:{alarm.member_id} alarm:{alarm.alarm.name} " for alarm in node.applier.alarms]
        if not node.leader_id:
            errors.append(Refusal.NO_LEADER.text)
        return rpc_pb2.StatusResponse(
            header=header(node),
            version=VERSION,
            dbSize=node.backend.size_bytes,
            dbSizeInUse=node.backend.size_in_use_bytes,
            dbSizeQuota=node.limits.quota_bytes,
            leader=node.leader_id,
            raftIndex=status.commit,
            raftTerm=status.term,
            raftAppliedIndex=node.applied,
            isLearner=node.member_id in node.members.conf_state.learners,
            storageVersion=".".join(VERSION.split(".")[:2]) + ".0",
            errors=errors,
        )

    @answer
    async def Alarm(self, request: Any) -> Any:  # noqa: N802
        if request.action == AlarmAction.GET:
            # A member that lags behind would tell of an alarm that was disarmed at another.
            await self.node.linearizable_read()
            alarms = [alarm for alarm in self.node.applier.alarms if _is_asked(request, alarm)]
            return self._alarms(sorted(alarms, key=lambda alarm: (alarm.member_id, alarm.alarm)))
        result: Any = await self.node.propose(codec.alarm_from_pb(request))
        return self._alarms(result.alarms)

    def _alarms(self, alarms: Any) -> Any:
        members = [rpc_pb2.AlarmMember(memberID=alarm.member_id, alarm=alarm.alarm) for alarm in alarms]
        return rpc_pb2.AlarmResponse(header=header(self.node), alarms=members)

    @answer
    async def Defragment(self, request: Any) -> Any:  # noqa: N802
        try:
            await self.node.backend.defragment()
        except OSError as error:
            log.warning("not defragmented: no room for the copy?", why=str(error))
            raise StoreError(Refusal.NO_SPACE) from error
        return rpc_pb2.DefragmentResponse(header=header(self.node))

    @answer
    async def Hash(self, request: Any) -> Any:  # noqa: N802
        await self.node.backend.flush()
        while (checksum := await self._hash_of_rows()) is None:
            pass  # the file was replaced meanwhile: begin again
        return rpc_pb2.HashResponse(header=header(self.node), hash=checksum)

    async def _hash_of_rows(self) -> int | None:
        snapshot, checksum = self.node.backend.snapshot(), 0
        try:
            for count, (bucket, key, value) in enumerate(snapshot.rows()):
                checksum = zlib.crc32(value, zlib.crc32(key, zlib.crc32(bucket.encode(), checksum)))
                if count % HASH_SLICE_ROWS == 0:
                    await asyncio.sleep(0)
        except SnapshotGone:
            return None
        finally:
            snapshot.close()
        return checksum

    @answer
    async def HashKV(self, request: Any) -> Any:  # noqa: N802
        store = self.node.store
        revision = request.revision or store.revision
        start: bytes | None = b""
        checksum, compacted = 0, -1
        while start is not None:
            if compacted != store.compacted:  # history went away meanwhile: begin again
                checksum, start, compacted = 0, b"", store.compacted
            accept(store.refuse_revision(request.revision))
            checksum, start = store.hash_step(revision, start, checksum)
            await asyncio.sleep(0)  # others' requests go in between
        return rpc_pb2.HashKVResponse(
            header=header(self.node), hash=checksum, compact_revision=compacted or -1, hash_revision=revision
        )

    async def Snapshot(self, request: Any, context: Any) -> None:  # noqa: N802
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, SNAPSHOT_ADVICE)

    @answer
    async def MoveLeader(self, request: Any) -> Any:  # noqa: N802
        await self.node.move_leader(request.targetID)
        return rpc_pb2.MoveLeaderResponse(header=header(self.node))


def _is_asked(request: Any, alarm: AlarmMember) -> bool:
    return request.memberID in (0, alarm.member_id) and request.alarm in (0, alarm.alarm)
