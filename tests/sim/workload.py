"""What clients ask: mostly puts and reads of a few keys, so that they get in each other's way.

The same requests go to simulated members and to real ones.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from etcdlite.pb import rpc_pb2
from tests.sim.checkers.linearizability import Call

KEYS = (b"a", b"b", b"c", b"d")
END = b"e"
EXPIRING = (6, 7, 8)  # leases that nobody revokes
REVOKED = (9,)


class Workload:
    """`draw` makes up the next request of a client; `learn` tells what one was answered."""

    def __init__(self, random: Random, client_count: int, *, compacts: bool = True) -> None:
        self._random = random
        self._known: list[dict[bytes, int]] = [{} for _ in range(client_count)]
        self._drawn_count = 0
        self._draws: tuple[Callable[[int], tuple[str, Any]], ...] = (
            *(self._put,) * 6,
            *(self._get,) * 5,
            *(self._compare_and_swap,) * 3,
            self._range,
            self._read_both,
            self._old_range,
            self._write_both,
            self._compare_and_delete,
            self._delete,
            *(self._grant,) * 2,
            *(self._renew,) * 4,
            self._revoke,
            *(self._compact,) * compacts,
        )

    def draw(self, client: int) -> tuple[str, Any]:
        """A method and its request."""
        self._drawn_count += 1
        return self._random.choice(self._draws)(client)

    def learn(self, call: Call) -> None:
        """Remember what a client saw last of each key, for the compares of its transactions."""
        known = self._known[call.client]
        if call.method == "Range" and not call.request.revision:
            for key in KEYS:
                if call.request.range_end or key == call.request.key:
                    known[key] = 0
            known.update({kv.key: kv.mod_revision for kv in call.response.kvs})
        elif call.method == "Put":
            known[call.request.key] = call.response.header.revision

    # ---- requests

    def _value(self, number: int = 0) -> bytes:
        """Never used before, so that a value tells who wrote it."""
        return b"%d.%d" % (self._drawn_count, number)

    def _put(self, client: int) -> tuple[str, Any]:
        lease = self._random.choice((0, 0, 0, 0, 0, *EXPIRING, *REVOKED))
        prev_kv = self._random.random() < 0.5
        key = self._random.choice(KEYS)
        return "Put", rpc_pb2.PutRequest(key=key, value=self._value(), lease=lease, prev_kv=prev_kv)

    def _get(self, client: int) -> tuple[str, Any]:
        return "Range", rpc_pb2.RangeRequest(key=self._random.choice(KEYS))

    def _range(self, client: int) -> tuple[str, Any]:
        return "Range", rpc_pb2.RangeRequest(key=KEYS[0], range_end=END)

    def _old_range(self, client: int) -> tuple[str, Any]:
        revision = max([*self._known[client].values(), 1])
        return "Range", rpc_pb2.RangeRequest(key=KEYS[0], range_end=END, revision=revision)

    def _delete(self, client: int) -> tuple[str, Any]:
        key, range_end = self._random.choice(((self._random.choice(KEYS), b""), (KEYS[1], KEYS[3])))
        return "DeleteRange", rpc_pb2.DeleteRangeRequest(key=key, range_end=range_end, prev_kv=True)

    def _compare(self, client: int) -> tuple[bytes, Any]:
        key = self._random.choice(KEYS)
        compare = rpc_pb2.Compare(
            key=key,
            target=rpc_pb2.Compare.MOD,
            result=rpc_pb2.Compare.EQUAL,
            mod_revision=self._known[client].get(key, 0),
        )
        return key, compare

    def _compare_and_swap(self, client: int) -> tuple[str, Any]:
        key, compare = self._compare(client)
        put = rpc_pb2.PutRequest(key=key, value=self._value(), prev_kv=True)
        get = rpc_pb2.RangeRequest(key=key)
        return "Txn", rpc_pb2.TxnRequest(
            compare=[compare],
            success=[rpc_pb2.RequestOp(request_put=put)],
            failure=[rpc_pb2.RequestOp(request_range=get)],
        )

    def _compare_and_delete(self, client: int) -> tuple[str, Any]:
        key, compare = self._compare(client)
        delete = rpc_pb2.DeleteRangeRequest(key=key)
        put = rpc_pb2.PutRequest(key=key, value=self._value())
        return "Txn", rpc_pb2.TxnRequest(
            compare=[compare],
            success=[rpc_pb2.RequestOp(request_delete_range=delete)],
            failure=[rpc_pb2.RequestOp(request_put=put)],
        )

    def _write_both(self, client: int) -> tuple[str, Any]:
        """Two keys in one revision, which no watch may split."""
        keys = self._random.sample(KEYS, 2)
        puts = [rpc_pb2.PutRequest(key=key, value=self._value(number)) for number, key in enumerate(keys)]
        return "Txn", rpc_pb2.TxnRequest(success=[rpc_pb2.RequestOp(request_put=put) for put in puts])

    def _read_both(self, client: int) -> tuple[str, Any]:
        gets = [rpc_pb2.RangeRequest(key=key) for key in self._random.sample(KEYS, 2)]
        return "Txn", rpc_pb2.TxnRequest(success=[rpc_pb2.RequestOp(request_range=get) for get in gets])

    def _grant(self, client: int) -> tuple[str, Any]:
        lease = self._random.choice((*EXPIRING, *REVOKED))
        return "LeaseGrant", rpc_pb2.LeaseGrantRequest(ID=lease, TTL=self._random.choice((1, 2, 3)))

    def _renew(self, client: int) -> tuple[str, Any]:
        return "LeaseKeepAlive", rpc_pb2.LeaseKeepAliveRequest(ID=self._random.choice(EXPIRING))

    def _revoke(self, client: int) -> tuple[str, Any]:
        return "LeaseRevoke", rpc_pb2.LeaseRevokeRequest(ID=self._random.choice(REVOKED))

    def _compact(self, client: int) -> tuple[str, Any]:
        newest = max([*self._known[client].values(), 1])
        return "Compact", rpc_pb2.CompactionRequest(revision=max(newest - self._random.choice((0, 20)), 1))
