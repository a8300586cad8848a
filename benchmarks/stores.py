"""Two stores to compare: three members of ours, and three of the etcd on the PATH, with the same flags.

Both speak TLS with client certificates, keep their data below one folder, and are driven by our client.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Awaitable
from pathlib import Path

from etcdlite.client import Client, ClientError
from tests.support.store_cluster import StoreCluster

STORES = {"etcdlite": StoreCluster}
ATTEMPT_SECONDS = 1.0
POLL_SECONDS = 0.02


class EtcdCluster(StoreCluster):
    """The same members, but of the etcd that is installed."""

    def command(self, number: int) -> list[str]:
        flags = super().command(number)[4:]
        return ["etcd", "--log-level=error", *flags]


if shutil.which("etcd"):
    STORES["etcd"] = EtcdCluster
else:
    print("no etcd on the PATH: ours is measured alone (apt-get install etcd-server)")


def client_of(cluster: StoreCluster, first: int = 0, timeout: float = 10.0) -> Client:
    """A client that knows all members and begins with one of them."""
    endpoints = [*cluster.endpoints[first:], *cluster.endpoints[:first]]
    return Client(endpoints, cluster.ca, cluster.cert, cluster.key, timeout=timeout)


async def find_leader(client: Client, cluster: StoreCluster, *, but_not: int = -1) -> int:
    """The number of the member that its peers and itself call the leader, once there is one."""
    while True:
        for number, endpoint in enumerate(cluster.endpoints):
            if number != but_not:
                try:
                    status = await client.status(endpoint, timeout=ATTEMPT_SECONDS)
                except ClientError:
                    continue
                if status.leader == status.header.member_id:
                    return number
        await asyncio.sleep(POLL_SECONDS)


async def catch_up(client: Client, cluster: StoreCluster, number: int) -> None:
    """Return when a member has applied what another had applied when this was asked."""
    other = await client.status(cluster.endpoints[(number + 1) % cluster.size])
    while True:
        try:
            status = await client.status(cluster.endpoints[number], timeout=ATTEMPT_SECONDS)
            if status.leader and status.raftAppliedIndex >= other.raftAppliedIndex:
                return
        except ClientError:
            pass
        await asyncio.sleep(POLL_SECONDS)


async def timed(call: Awaitable[object]) -> float:
    """How long a call takes, in milliseconds."""
    begin = time.perf_counter()
    await call
    return (time.perf_counter() - begin) * 1000


def folder_for(base: Path, name: str) -> Path:
    folder = base / name
    folder.mkdir()
    return folder
