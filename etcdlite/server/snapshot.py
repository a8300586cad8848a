"""Shell: hands out this member's state as a snapshot file of this store's own, chunk by chunk."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc

from etcdlite.errors import StoreError
from etcdlite.mvcc.backend import META, SnapshotGone
from etcdlite.mvcc.store import COMPACTED, REVISION
from etcdlite.node import Node
from etcdlite.pb import snapshot_pb2, snapshot_pb2_grpc
from etcdlite.server.answers import refuse
from etcdlite.snapshot_file import Head, encoded
from etcdlite.version import VERSION


class SnapshotsServicer(snapshot_pb2_grpc.SnapshotsServicer):  # type: ignore[misc]  # the stubs are untyped
    """The one call of the Snapshots service."""

    def __init__(self, node: Node) -> None:
        self.node = node

    async def Save(self, request: Any, context: Any) -> None:  # noqa: N802 # as gRPC methods are named
        """Everything acknowledged before the call, as of one moment."""
        node = self.node
        try:
            await node.linearizable_read()
        except StoreError as error:
            await refuse(context, error.refusal)
        await node.backend.flush()
        snapshot = node.backend.snapshot()
        revision, compacted = (
            int.from_bytes(snapshot.get(META, fact) or b"", "big") for fact in (REVISION, COMPACTED)
        )
        head = Head(node.cluster_id, node.member_id, max(revision, 1), compacted, VERSION)
        try:
            for part in encoded(head, snapshot.rows()):
                await context.write(snapshot_pb2.SaveChunk(data=part))
                await asyncio.sleep(0)
        except SnapshotGone:
            await context.abort(grpc.StatusCode.ABORTED, "the member was defragmented meanwhile: ask again")
        finally:
            snapshot.close()
