"""Shell: etcd's KV service: Range, Put, DeleteRange, Txn, Compact.

Writes are proposed and answered once this member has applied them. Reads take no entry of the log: this
member asks the leader how far the log was committed (ReadIndex), waits until it has applied that much, and
answers from its own store; a serializable read skips the question and may be old.

After: etcd server/etcdserver/v3_server.go and api/v3rpc/key.go.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from etcdlite import codec, ranges, txn
from etcdlite.commands import CompactionRequest, KeyValue, RangeRequest, RangeResult
from etcdlite.errors import Refusal
from etcdlite.mvcc.store import SLICE_KEY_COUNT
from etcdlite.node import Node
from etcdlite.pb import rpc_pb2, rpc_pb2_grpc
from etcdlite.server import requests
from etcdlite.server.answers import accept, accepted, answer, header


class KvServicer(rpc_pb2_grpc.KVServicer):  # type: ignore[misc]  # the stubs are untyped
    """The five calls of the KV service."""

    def __init__(self, node: Node) -> None:
        self.node = node

    @answer
    async def Range(self, request: Any) -> Any:  # noqa: N802 # the service's names are etcd's
        accept(requests.refuse_range(request))
        if not request.serializable:
            await self.node.linearizable_read()
        result = accepted(await self._range(codec.range_from_pb(request)))
        head = header(self.node, result.revision)
        if len(result.kvs) <= SLICE_KEY_COUNT:
            return codec.range_result_to_pb(result, head)
        response = codec.range_result_to_pb(replace(result, kvs=[]), head)
        for at in range(0, len(result.kvs), SLICE_KEY_COUNT):
            response.kvs.extend(map(codec.kv_to_pb, result.kvs[at : at + SLICE_KEY_COUNT]))
            await asyncio.sleep(0)
        return response

    async def _range(self, request: RangeRequest) -> RangeResult | Refusal:
        """Read a large range in slices, all of one revision, so that heartbeats and others get their turn."""
        store, header_revision = self.node.store, self.node.store.revision
        refusal = store.refuse_revision(request.revision)
        if refusal is not None or not request.range_end:
            return ranges.range_or_refuse(store, request)
        pinned = replace(request, revision=request.revision or header_revision)
        kvs: list[KeyValue] = []
        count = 0
        for some_kvs, some_count in ranges.slices(store, pinned):
            kvs += some_kvs
            count += some_count
            if some_count == SLICE_KEY_COUNT:
                await asyncio.sleep(0)
                if store.refuse_revision(pinned.revision) is not None:
                    return ranges.range_or_refuse(store, request)  # compacted meanwhile: again, in one go
        return ranges.finish(request, kvs, count, header_revision)

    @answer
    async def Put(self, request: Any) -> Any:  # noqa: N802
        accept(requests.refuse_put(request, self.node.limits))
        result: Any = await self.node.propose(codec.put_from_pb(request))
        return codec.put_result_to_pb(result, header(self.node, result.revision))

    @answer
    async def DeleteRange(self, request: Any) -> Any:  # noqa: N802
        accept(requests.refuse_delete(request))
        result: Any = await self.node.propose(codec.delete_from_pb(request))
        return codec.delete_result_to_pb(result, header(self.node, result.revision))

    @answer
    async def Txn(self, request: Any) -> Any:  # noqa: N802
        accept(requests.refuse_txn(request, self.node.limits))
        command = codec.txn_from_pb(request)
        if txn.is_read_only(command):
            if not is_serializable(request):
                await self.node.linearizable_read()
            result: Any = accepted(self.node.applier.read(command))
        else:
            result = await self.node.propose(command)
        return codec.txn_result_to_pb(result, header(self.node, result.revision))

    @answer
    async def Compact(self, request: Any) -> Any:  # noqa: N802
        result: Any = await self.node.propose(CompactionRequest(request.revision, request.physical))
        if request.physical:
            await self.node.compaction_done()
        return rpc_pb2.CompactionResponse(header=header(self.node, result.revision))


def is_serializable(pb: Any) -> bool:
    """Do all ranges of a read-only transaction accept old answers?"""
    operations = (*pb.success, *pb.failure)
    ranges = [op.request_range for op in operations if op.HasField("request_range")]
    return len(ranges) == len(operations) and all(request.serializable for request in ranges)
