"""Clients of real members that write down what they asked and were told, for the checkers of tests/sim.

Each client asks one thing at a time, any member, and never twice: an answer that does not come leaves the
outcome unknown. All that happens is in one list in the order in which it happened, so that afterwards it can
be told to the checkers as if they had been there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

import grpc
import grpc.aio

from etcdlite.pb import rpc_pb2_grpc
from tests.etcdlite.server.test_against_etcd import credentials
from tests.sim.checkers.history import History
from tests.sim.checkers.linearizability import REFUSALS, Call, Linearizability
from tests.sim.workload import END, KEYS, Workload
from tests.support.store_cluster import StoreCluster

CALL_SECONDS = 1.0
PAUSE_SECONDS = 0.02  # after a call that failed, for a dead member refuses fast


@dataclass
class Member:
    """How one is called."""

    channel: grpc.aio.Channel

    def __post_init__(self) -> None:
        self.kv = rpc_pb2_grpc.KVStub(self.channel)
        self.lease = rpc_pb2_grpc.LeaseStub(self.channel)
        self.watch = rpc_pb2_grpc.WatchStub(self.channel)


@dataclass
class Recorder:
    """`happened` holds a bound method of the checker and the call it must be told."""

    cluster: StoreCluster
    random: Random
    client_count: int
    happened: list[tuple[Callable[[Linearizability, Call], None], Call]] = field(default_factory=list)
    asked_count: int = 0
    answered_count: int = 0

    def __post_init__(self) -> None:
        options = [
            ("grpc.use_local_subchannel_pool", 1),
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.min_reconnect_backoff_ms", 100),
            ("grpc.max_reconnect_backoff_ms", 200),
        ]
        targets = [endpoint.removeprefix("https://") for endpoint in self.cluster.endpoints]
        channels = [
            grpc.aio.secure_channel(target, credentials(self.cluster), options=options) for target in targets
        ]
        self.members = [Member(channel) for channel in channels]
        self._workload = Workload(self.random, self.client_count, compacts=False)

    async def close(self) -> None:
        for member in self.members:
            await member.channel.close()

    async def ask(self, client: int) -> None:
        """One call of a client."""
        number = self.random.randrange(len(self.members))
        method, request = self._workload.draw(client)
        self.asked_count += 1
        call = Call(self.asked_count, client, number, method, request, asyncio.get_running_loop().time())
        self.happened.append((Linearizability.asked, call))
        try:
            call.response = await invoke(self.members[number], method, request)
        except grpc.aio.AioRpcError as error:
            if error.code().name in REFUSALS:
                call.refusal = error.code().name
            else:
                await asyncio.sleep(PAUSE_SECONDS)
            return
        call.answered_at = asyncio.get_running_loop().time()
        self.answered_count += 1
        self._workload.learn(call)
        self.happened.append((Linearizability.answered, call))

    def check(self, history: History) -> None:
        """Tell the checker all that happened, in order."""
        checker = Linearizability(history)
        for tell, call in self.happened:
            tell(checker, call)
        checker.check_end(KEYS[0], END)


async def invoke(member: Member, method: str, request: Any) -> Any:
    if method != "LeaseKeepAlive":
        stub = member.lease if method.startswith("Lease") else member.kv
        return await getattr(stub, method)(request, timeout=CALL_SECONDS)
    call = member.lease.LeaseKeepAlive(timeout=CALL_SECONDS)
    try:
        await call.write(request)
        return await call.read()
    finally:
        call.cancel()
