"""Random requests to an etcd, and its answers in a form that can be compared.

The same seed says the same requests, so two stores can be asked alike. Headers keep only their revision; an
error is its code and text.
"""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any

import grpc.aio

from etcdlite.pb import rpc_pb2, rpc_pb2_grpc

KEYS = [b"a", b"b", b"c", b"ca", b"cb", b"d", b"\xff", b"e" * 600, b"e" * 600 + b"x"]
ENDS = [b"", b"", b"\0", b"b", b"c", b"d", b"f", b"e" * 600 + b"x", b"\xff\xff"]
VALUES = [b"", b"1", b"2", b"x" * 50]
LEASES = [0, 0, 0, 0, 5, 6, -7]


class Asker:
    """Makes up requests; `revision` follows the answers, so that asked revisions are near the truth."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.revision = 1

    def request(self) -> tuple[str, Any]:
        """The next call and its message."""
        kinds = (
            ["Put"] * 6 + ["Range"] * 6 + ["Txn"] * 6 + ["DeleteRange"] * 3 + ["LeaseGrant", "LeaseRevoke"]
        )
        kinds += ["LeaseTimeToLive", "LeaseLeases"] + (["Compact"] if self.random.random() < 0.2 else [])
        kind = self.random.choice(kinds)
        match kind:
            case "Put":
                return kind, self.put()
            case "Range":
                return kind, self.range()
            case "Txn":
                return kind, self.txn(depth=0)
            case "DeleteRange":
                return kind, self.delete()
            case "Compact":
                revision = self.random.randint(-1, 2) + self.random.randint(0, max(self.revision, 0))
                return kind, rpc_pb2.CompactionRequest(revision=revision, physical=self.chance(0.5))
            case "LeaseGrant":
                ttl = self.random.choice([1000, 2000, 9_000_000_001])
                return kind, rpc_pb2.LeaseGrantRequest(ID=self.random.choice(LEASES[4:]), TTL=ttl)
            case "LeaseRevoke":
                return kind, rpc_pb2.LeaseRevokeRequest(ID=self.random.choice([5, 6, -7, 8]))
            case "LeaseTimeToLive":
                return kind, rpc_pb2.LeaseTimeToLiveRequest(ID=self.random.choice([5, 6, -7, 8]), keys=True)
        return kind, rpc_pb2.LeaseLeasesRequest()

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def near_revision(self) -> int:
        return self.random.randint(max(self.revision - 12, 0), self.revision + (self.chance(0.1) and 3))

    def key(self) -> bytes:
        return b"" if self.chance(0.02) else self.random.choice(KEYS)

    def range(self) -> Any:
        return rpc_pb2.RangeRequest(
            key=self.key(),
            range_end=self.random.choice(ENDS),
            limit=self.random.choice([0, 0, 1, 2, 5, -1]),
            revision=self.near_revision() if self.chance(0.3) else 0,
            sort_order=self.random.choice([0, 0, 1, 2]),
            sort_target=self.random.choice([0, 0, 2, 3]),
            keys_only=self.chance(0.2),
            count_only=self.chance(0.1),
            min_mod_revision=self.near_revision() if self.chance(0.1) else 0,
            max_mod_revision=self.near_revision() if self.chance(0.1) else 0,
            min_create_revision=self.near_revision() if self.chance(0.1) else 0,
            max_create_revision=self.near_revision() if self.chance(0.1) else 0,
        )

    def put(self) -> Any:
        return rpc_pb2.PutRequest(
            key=self.key(),
            value=self.random.choice(VALUES),
            lease=self.random.choice(LEASES),
            prev_kv=self.chance(0.3),
            ignore_value=self.chance(0.1),
            ignore_lease=self.chance(0.1),
        )

    def delete(self) -> Any:
        return rpc_pb2.DeleteRangeRequest(
            key=self.key(), range_end=self.random.choice([b"", b"", b"", *ENDS]), prev_kv=self.chance(0.3)
        )

    def txn(self, depth: int) -> Any:
        request = rpc_pb2.TxnRequest()
        for _ in range(self.random.choice([0, 1, 1, 2])):
            request.compare.append(self.compare())
        for branch in (request.success, request.failure):
            for _ in range(self.random.choice([0, 1, 1, 2, 3])):
                self.operation(branch.add(), depth)
        return request

    def operation(self, pb: Any, depth: int) -> None:
        match self.random.choice(["range", "put", "put", "delete", "txn" if depth < 2 else "put", "none"]):
            case "range":
                pb.request_range.CopyFrom(self.range())
            case "put":
                pb.request_put.CopyFrom(self.put())
            case "delete":
                pb.request_delete_range.CopyFrom(self.delete())
            case "txn":
                pb.request_txn.CopyFrom(self.txn(depth + 1))
            case "none" if self.chance(0.9):
                pb.request_put.CopyFrom(self.put())

    def compare(self) -> Any:
        pb = rpc_pb2.Compare(
            key=self.key(),
            result=self.random.randint(0, 3),
            target=self.random.randint(0, 4),
            range_end=self.random.choice([b"", b"", b"", *ENDS]),
        )
        match pb.target:
            case rpc_pb2.Compare.VERSION:
                pb.version = self.random.randint(0, 3)
            case rpc_pb2.Compare.CREATE:
                pb.create_revision = self.near_revision() if self.chance(0.5) else 0
            case rpc_pb2.Compare.MOD:
                pb.mod_revision = self.near_revision() if self.chance(0.5) else 0
            case rpc_pb2.Compare.VALUE:
                pb.value = self.random.choice(VALUES)
            case rpc_pb2.Compare.LEASE:
                pb.lease = self.random.choice(LEASES)
        return pb


CALLS = {
    rpc_pb2_grpc.KVStub: ("Put", "Range", "DeleteRange", "Txn", "Compact"),
    rpc_pb2_grpc.LeaseStub: ("LeaseGrant", "LeaseRevoke", "LeaseTimeToLive", "LeaseLeases"),
}


class Store:
    """A store of one or more members; each request goes to one of them, chosen by chance."""

    def __init__(self, channels: list[grpc.aio.Channel]) -> None:
        self.channels = channels
        self._random = Random(0)
        self._calls = {
            name: [getattr(stub(channel), name) for channel in channels]
            for stub, names in CALLS.items()
            for name in names
        }

    async def call(self, kind: str, request: Any, **options: Any) -> Any:
        return await self._random.choice(self._calls[kind])(request, **options)

    async def ask(self, kind: str, request: Any) -> str:
        """The answer as text, without what two stores cannot share."""
        try:
            response = await self.call(kind, request)
        except grpc.aio.AioRpcError as error:
            return f"{error.code().name}: {error.details()}"
        forget_identity(response)
        if kind == "LeaseTimeToLive" and response.TTL > 0:
            response.TTL = 1
            response.keys.sort()
        if kind == "LeaseLeases":
            leases = sorted(lease.ID for lease in response.leases)
            return f"{response.header.revision} {leases}"
        return str(response)

    async def watch(self, *creations: Any) -> list[str]:
        """What watches from the past say, until each has seen all keys written and deleted once more."""
        call = rpc_pb2_grpc.WatchStub(self._random.choice(self.channels)).Watch()
        said: list[str] = []
        live: dict[int, Any] = {}
        for creation in creations:
            await call.write(rpc_pb2.WatchRequest(create_request=creation))
            while not (response := await call.read()).created:
                said += heard(response, live)
            live[response.watch_id] = creation
            said += heard(response, live)
        writes = [rpc_pb2.RequestOp(request_put=rpc_pb2.PutRequest(key=key)) for key in KEYS]
        await self.call("Txn", rpc_pb2.TxnRequest(success=writes))
        response = await self.call("DeleteRange", rpc_pb2.DeleteRangeRequest(key=b"\0", range_end=b"\0"))
        self.end = response.header.revision
        async with asyncio.timeout(10):
            while live:
                response = await call.read()
                said += heard(response, live)
                creation = live.get(response.watch_id)
                if creation and response.events:
                    sees_end = rpc_pb2.WatchCreateRequest.NODELETE not in creation.filters
                    if response.events[-1].kv.mod_revision >= self.end - (not sees_end):
                        del live[response.watch_id]
        call.cancel()
        return sorted(said)


def heard(response: Any, live: dict[int, Any]) -> list[str]:
    """What a watch response says; the header's revision depends on how events fell into batches."""
    forget_identity(response)
    watch_id = response.watch_id
    if response.canceled:
        live.pop(watch_id, None)
    if not response.events:
        return [f"{watch_id}: {response}"]
    return [f"{watch_id} {event.kv.mod_revision:6}: {event}" for event in response.events]


def forget_identity(response: Any) -> None:
    """Two clusters differ in their ids and terms."""
    response.header.ClearField("cluster_id")
    response.header.ClearField("member_id")
    response.header.ClearField("raft_term")
