"""Shell: what `status` shows: the processes as the supervisor knows them, the members as they say themselves.

NAME     ROLE     STATE     PID   RESTARTS   LAST EXIT   MEMORY   AGE
MEMBER   ROLE     TERM      INDEX   APPLIED   LAG   CUT FROM   DB SIZE   ENDPOINT

Roles come from whoever decides them: the store's from its members, those of controller managers and
schedulers from their Leases.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from deploy import members
from deploy.identity import memory_bytes
from deploy.layout import Layout
from deploy.members import Member
from deploy.topology import Topology
from kube.api.errors import StatusError
from kube.api.meta import Object
from kube.api.resources import LEASES
from kube.api.table import age
from kube.client.config import ClientConfig
from kube.client.rest import Client, ConnectionFailed

LEASES_SECONDS = 1.0
# Which Lease says who of a component leads, by its module.
LEASE_OF = {"controllers": "kube-controller-manager", "scheduler": "kube-scheduler"}

# What each holder of a Lease calls itself; None when the API server does not say.
Holders = Mapping[str, str] | None


async def report(topology: Topology, layout: Layout, answer: dict[str, Any], now: datetime) -> str:
    """The text of `status`."""
    observed, holders = await asyncio.gather(members.observe(topology, layout), _holders(layout))
    roles = {member.name: member.role for member in observed if member is not None}
    processes = [
        ("NAME", "ROLE", "STATE", "PID", "RESTARTS", "LAST EXIT", "MEMORY", "AGE"),
        *(_process_row(process, roles, holders, now) for process in answer["processes"]),
        *(_keeper_row(name, answer[key]) for name, key in (("supervisor", "pid"), ("nursery", "nurseryPid"))),
    ]
    table = [
        ("MEMBER", "ROLE", "TERM", "INDEX", "APPLIED", "LAG", "CUT FROM", "DB SIZE", "ENDPOINT"),
        *_member_rows(members.names(topology), observed),
    ]
    pids = [process["pid"] for process in answer["processes"]] + [answer["pid"], answer["nurseryPid"]]
    total = _megabytes(sum(memory_bytes(pid) or 0 for pid in pids if pid))
    head = f"cluster {layout.number} in {layout.data_dir}, {total} in all"
    return "\n".join([head, "", *_columns(processes), "", *_columns(table)])


async def _holders(layout: Layout) -> Holders:
    """Who holds which Lease in kube-system."""
    client = Client(ClientConfig.load(layout.admin_kubeconfig), "kubelite-status")
    try:
        async with asyncio.timeout(LEASES_SECONDS):
            leases: list[Object] = (await client.list(LEASES, "kube-system"))["items"]
    except (ConnectionFailed, StatusError, TimeoutError):
        return None
    finally:
        await client.close()
    return {lease["metadata"]["name"]: lease["spec"].get("holderIdentity") or "" for lease in leases}


def _process_row(
    process: dict[str, Any], roles: Mapping[str, str], holders: Holders, now: datetime
) -> tuple[str, ...]:
    pid, code = process["pid"], process["lastExitCode"]
    return (
        process["name"],
        roles.get(process["name"]) or _lease_role(process, holders),
        process["state"],
        str(pid or "-"),
        str(process["restarts"]),
        "-" if code is None else str(code),
        _megabytes(memory_bytes(pid) if pid else None),
        age(process["startedAt"], now) if pid else "-",
    )


def _lease_role(process: dict[str, Any], holders: Holders) -> str:
    """Whether a process leads those of its kind; "-" where nobody does, or nobody knows."""
    holder = (holders or {}).get(LEASE_OF.get(process["module"], ""))
    if holder is None or not process["pid"]:
        return "-"
    # A candidate's name says where it listens.
    address = process["healthURL"].removeprefix("https://")
    return "leader" if address in holder.split("_") else "standby"


def _keeper_row(name: str, pid: int | None) -> tuple[str, ...]:
    memory = _megabytes(memory_bytes(pid) if pid else None)
    return (name, "-", "Running" if pid else "Waiting", str(pid or "-"), "-", "-", memory, "-")


def _member_rows(names: Sequence[str], observed: Sequence[Member | None]) -> list[tuple[str, ...]]:
    newest = max((member.commit for member in observed if member is not None), default=0)
    return [
        (name, "unreachable", *["-"] * 7) if member is None else _member_row(member, newest)
        for name, member in zip(names, observed, strict=True)
    ]


def _member_row(member: Member, newest: int) -> tuple[str, ...]:
    return (
        member.name,
        member.role,
        str(member.term),
        str(member.commit),
        str(member.applied),
        str(newest - member.applied),
        ",".join(member.cut) or "-",
        _megabytes(member.size_bytes),
        member.endpoint,
    )


def _megabytes(size_bytes: int | None) -> str:
    return "-" if size_bytes is None else f"{size_bytes / (1 << 20):.1f} MB"


def _columns(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Lines with each column as wide as its widest cell."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("   ".join(map(str.ljust, row, widths)) for row in rows)
    return [line.rstrip() for line in lines]
