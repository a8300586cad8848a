"""Shell: what `status` shows: the processes as the supervisor knows them, the members as they say themselves.

NAME     STATE     PID   RESTARTS   EXIT   MEMORY   AGE       MEMBER   ROLE     TERM   INDEX   APPLIED   DB
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from deploy.identity import memory_bytes
from deploy.layout import Layout, local_url
from deploy.topology import Topology
from etcdlite.client import Client, ClientError
from kube.api.table import age

MEMBER_SECONDS = 1.0


async def report(topology: Topology, layout: Layout, answer: dict[str, Any], now: datetime) -> str:
    """The text of `status`."""
    processes = [
        ("NAME", "STATE", "PID", "RESTARTS", "LAST EXIT", "MEMORY", "AGE"),
        *(_process_row(process, now) for process in answer["processes"]),
    ]
    members = [
        ("MEMBER", "ROLE", "TERM", "INDEX", "APPLIED", "DB SIZE", "ENDPOINT"),
        *await _member_rows(topology, layout),
    ]
    head = f"cluster {layout.number} in {layout.data_dir}, supervisor {answer['pid']}"
    return "\n".join([head, "", *_columns(processes), "", *_columns(members)])


def _process_row(process: dict[str, Any], now: datetime) -> tuple[str, ...]:
    pid, code = process["pid"], process["lastExitCode"]
    return (
        process["name"],
        process["state"],
        str(pid or "-"),
        str(process["restarts"]),
        "-" if code is None else str(code),
        _megabytes(memory_bytes(pid) if pid else None),
        age(process["startedAt"], now) if pid else "-",
    )


async def _member_rows(topology: Topology, layout: Layout) -> list[tuple[str, ...]]:
    endpoints = [local_url(layout.etcd_client_port(index)) for index in range(topology.etcd)]
    client = Client(
        endpoints,
        ca=str(layout.cert("etcd-ca")),
        cert=str(layout.cert("etcd-client")),
        key=str(layout.key("etcd-client")),
    )
    async with client:
        rows = (_member_row(client, f"etcd-{i}", endpoint) for i, endpoint in enumerate(endpoints))
        return await asyncio.gather(*rows)


async def _member_row(client: Client, name: str, endpoint: str) -> tuple[str, ...]:
    try:
        status = await client.status(endpoint, timeout=MEMBER_SECONDS)
    except ClientError:
        return (name, "unreachable", "-", "-", "-", "-", endpoint)
    role = "leader" if status.leader == status.header.member_id else "follower"
    return (
        name,
        role if status.leader else "no leader",
        str(status.raftTerm),
        str(status.raftIndex),
        str(status.raftAppliedIndex),
        _megabytes(status.dbSize),
        endpoint,
    )


def _megabytes(size_bytes: int | None) -> str:
    return "-" if size_bytes is None else f"{size_bytes / (1 << 20):.1f} MB"


def _columns(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Lines with each column as wide as its widest cell."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("   ".join(map(str.ljust, row, widths)) for row in rows)
    return [line.rstrip() for line in lines]
