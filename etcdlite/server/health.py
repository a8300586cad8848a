"""Shell: the health service every gRPC client knows: SERVING while a leader is known."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from etcdlite.node import Node
from etcdlite.pb import health_pb2, health_pb2_grpc

WATCH_SECONDS = 1.0


class HealthServicer(health_pb2_grpc.HealthServicer):  # type: ignore[misc]  # the stubs are untyped
    """Answers for the whole server, whatever service is asked about."""

    def __init__(self, node: Node) -> None:
        self.node = node

    def _status(self) -> Any:
        known = health_pb2.HealthCheckResponse
        return known(status=known.SERVING if self.node.leader_id else known.NOT_SERVING)

    async def Check(self, request: Any, context: Any) -> Any:  # noqa: N802 # the service's names are gRPC's
        return self._status()

    async def Watch(self, request: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802
        told = None
        while True:
            status = self._status()
            if status != told:
                yield status
                told = status
            await asyncio.sleep(WATCH_SECONDS)
