"""Shell: what every gRPC service does alike: headers, refusals as statuses, callers who demand a leader."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any

import grpc

from etcdlite.errors import Refusal, StoreError
from etcdlite.node import Node
from etcdlite.pb import rpc_pb2
from etcdlite.raft.messages import NONE

STATUSES = {status.value[0]: status for status in grpc.StatusCode}
REQUIRE_LEADER = ("hasleader", "true")  # metadata of callers who would rather fail than wait for an election


def header(node: Node, revision: int | None = None) -> Any:
    """Who answers, and at which revision: the store's unless another is given."""
    return rpc_pb2.ResponseHeader(
        cluster_id=node.cluster_id,
        member_id=node.member_id,
        revision=node.store.revision if revision is None else revision,
        raft_term=node.raft_term,
    )


async def refuse(context: Any, refusal: Refusal) -> None:
    """End the call with etcd's code and text."""
    await context.abort(STATUSES[refusal.code], refusal.text)


def lacks_leader(node: Node, context: Any) -> bool:
    """Is there no leader, and did the caller say that it does not want to wait for one?"""
    return node.leader_id == NONE and any(
        tuple(item) == REQUIRE_LEADER for item in context.invocation_metadata()
    )


def answer(method: Callable[[Any, Any], Awaitable[Any]]) -> Callable[[Any, Any, Any], Awaitable[Any]]:
    """Make a method(self, request) a gRPC handler whose StoreErrors become statuses."""

    @wraps(method)
    async def handler(self: Any, request: Any, context: Any) -> Any:
        try:
            accept(Refusal.NO_LEADER if lacks_leader(self.node, context) else None)
            return await method(self, request)
        except StoreError as error:
            return await refuse(context, error.refusal)

    return handler


def accept(refusal: Refusal | None) -> None:
    """Go on unless there is a reason not to."""
    if refusal is not None:
        raise StoreError(refusal)


def accepted(result: Any) -> Any:
    """The result, unless it is a refusal."""
    if isinstance(result, Refusal):
        raise StoreError(result)
    return result
