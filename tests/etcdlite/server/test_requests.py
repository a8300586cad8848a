"""Which requests make no sense: cases of etcd's TestV3TxnDuplicateKeys, TestV3TxnTooManyOps, and more."""

from __future__ import annotations

from typing import Any

import pytest

from etcdlite.errors import Refusal
from etcdlite.limits import Limits
from etcdlite.pb import rpc_pb2
from etcdlite.server import requests


def put(key: str = "a", **fields: Any) -> Any:
    return rpc_pb2.RequestOp(request_put=rpc_pb2.PutRequest(key=key.encode(), **fields))


def delete(key: str = "a", end: str = "") -> Any:
    request = rpc_pb2.DeleteRangeRequest(key=key.encode(), range_end=end.encode())
    return rpc_pb2.RequestOp(request_delete_range=request)


def get(key: str = "a") -> Any:
    return rpc_pb2.RequestOp(request_range=rpc_pb2.RangeRequest(key=key.encode()))


def txn(
    success: list[Any] | None = None, failure: list[Any] | None = None, compare: list[Any] | None = None
) -> Any:
    return rpc_pb2.TxnRequest(success=success or [], failure=failure or [], compare=compare or [])


def nested(*branches: list[Any]) -> Any:
    return rpc_pb2.RequestOp(request_txn=txn(*branches))


@pytest.mark.parametrize(
    "operations",
    [
        [put(), put()],
        [put(), delete()],
        [delete("a", "c"), put("b")],
        [put(), nested([put()])],
        [nested([put()], [delete()]), put()],
        [nested([put()]), nested([], [put()])],
        [delete(), nested([put()])],
        [nested([nested([delete("a", "b")])]), put()],
        [nested([put("b"), put("b")])],
    ],
)
def test_a_key_that_may_be_written_twice_is_refused(operations: list[Any]) -> None:
    assert requests.refuse_txn(txn(operations), Limits()) is Refusal.DUPLICATE_KEY
    assert requests.refuse_txn(txn([], operations), Limits()) is Refusal.DUPLICATE_KEY


@pytest.mark.parametrize(
    "operations",
    [
        [put("a"), put("b"), get("a")],
        [nested([put()], [put()])],
        [delete("a", "c"), delete("b", "d")],
        [delete("a", "c"), put("c")],
        [nested([put("a")], [put("b")]), put("c")],
    ],
)
def test_what_can_happen_only_once_is_allowed(operations: list[Any]) -> None:
    assert requests.refuse_txn(txn(operations, operations), Limits()) is None


@pytest.mark.parametrize(
    ("request_", "refusal"),
    [
        (txn([get(str(i)) for i in range(128)]), None),
        (txn([get(str(i)) for i in range(129)]), Refusal.TOO_MANY_OPS),
        (txn([nested([get()] * 127)]), None),
        (txn([nested([get()] * 128)]), Refusal.TOO_MANY_OPS),
        (txn(compare=[rpc_pb2.Compare(key=b"a")] * 129), Refusal.TOO_MANY_OPS),
        (txn(compare=[rpc_pb2.Compare()]), Refusal.EMPTY_KEY),
        (txn([put("")]), Refusal.EMPTY_KEY),
        (txn([nested([get("")])]), Refusal.EMPTY_KEY),
        (txn([rpc_pb2.RequestOp()]), Refusal.KEY_NOT_FOUND),
        (txn([put(value=b"v", ignore_value=True)]), Refusal.VALUE_PROVIDED),
        (txn([put(lease=1, ignore_lease=True)]), Refusal.LEASE_PROVIDED),
        (txn([put(value=b"v" * (1 << 21))]), Refusal.REQUEST_TOO_LARGE),
    ],
)
def test_limits_and_shapes(request_: Any, refusal: Refusal | None) -> None:
    assert requests.refuse_txn(request_, Limits()) is refusal
