"""Core: answers a RangeRequest: reads the keys, then filters, sorts and cuts them as etcd does.

The limit is given to the store only where nothing is filtered or sorted afterwards. etcd also sorts when a
target but no order is given, after having cut by key: clients can see that, so it is kept.

After: etcd server/etcdserver/txn/range.go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from etcdlite.commands import RangeRequest, RangeResult, SortOrder, SortTarget
from etcdlite.errors import Refusal
from etcdlite.mvcc.key_value import KeyValue
from etcdlite.mvcc.store import Store

SORT_KEYS: dict[SortTarget, Callable[[KeyValue], Any]] = {
    SortTarget.KEY: lambda kv: kv.key,
    SortTarget.VERSION: lambda kv: kv.version,
    SortTarget.CREATE: lambda kv: kv.create_revision,
    SortTarget.MOD: lambda kv: kv.mod_revision,
    SortTarget.VALUE: lambda kv: kv.value,
}


def range_or_refuse(store: Store, request: RangeRequest) -> RangeResult | Refusal:
    """Answer a range that stands alone."""
    refusal = store.refuse_revision(request.revision)
    return refusal if refusal is not None else evaluate(store, request, store.revision)


def evaluate(store: Store, request: RangeRequest, header_revision: int) -> RangeResult:
    """Answer a range whose revision is known to be readable."""
    kvs, count = [], 0
    for some_kvs, some_count in slices(store, request):
        kvs += some_kvs
        count += some_count
    return finish(request, kvs, count, header_revision)


def slices(store: Store, request: RangeRequest) -> Iterator[tuple[list[KeyValue], int]]:
    """What the store has for the request, some keys at a time, and their number."""
    is_cut_later = request.sort_order != SortOrder.NONE or _has_filters(request)
    return store.slices(
        request.key,
        request.range_end,
        at_revision=request.revision,
        limit=0 if is_cut_later or request.limit <= 0 else request.limit + 1,
        count_only=request.count_only,
    )


def finish(request: RangeRequest, kvs: list[KeyValue], count: int, header_revision: int) -> RangeResult:
    """Filter, sort and cut what was read."""
    if _has_filters(request):
        kvs = [kv for kv in kvs if _passes(request, kv)]
    if request.sort_order != SortOrder.NONE or request.sort_target != SortTarget.KEY:
        kvs.sort(key=SORT_KEYS[request.sort_target], reverse=request.sort_order == SortOrder.DESCEND)
    more = 0 < request.limit < len(kvs)
    if more:
        kvs = kvs[: request.limit]
    if request.keys_only:
        kvs = [kv._replace(value=b"") for kv in kvs]
    return RangeResult(header_revision, kvs, more, count)


def _has_filters(request: RangeRequest) -> bool:
    return bool(
        request.min_mod_revision
        or request.max_mod_revision
        or request.min_create_revision
        or request.max_create_revision
    )


def _passes(request: RangeRequest, kv: KeyValue) -> bool:
    return (
        (not request.min_mod_revision or kv.mod_revision >= request.min_mod_revision)
        and (not request.max_mod_revision or kv.mod_revision <= request.max_mod_revision)
        and (not request.min_create_revision or kv.create_revision >= request.min_create_revision)
        and (not request.max_create_revision or kv.create_revision <= request.max_create_revision)
    )
