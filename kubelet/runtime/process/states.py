"""Core: a container with what its shim says of it, and without one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from kubelet.runtime.interface import Container, ContainerState

KILLED = 137
SHIM_KILLED = "The process that kept the containers of this pod was killed."


def with_state(container: Container, state: Mapping[str, Any]) -> Container:
    """The container as of that state, which shim/container.py describes."""
    started, finished = state["started_at"], state["finished_at"]
    exited = ContainerState.EXITED if finished else container.state
    return replace(
        container,
        state=ContainerState.RUNNING if started and not finished else exited,
        started_at=_time(started),
        finished_at=_time(finished),
        exit_code=state["exit_code"],
        reason=state["reason"],
        message=state["message"],
    )


def killed(container: Container, now: datetime) -> Container:
    """One whose shim was killed: it has ended with it."""
    return replace(
        container,
        state=ContainerState.EXITED,
        finished_at=now,
        exit_code=KILLED,
        reason="Error",
        message=SHIM_KILLED,
    )


def _time(nanoseconds: int | None) -> datetime | None:
    return datetime.fromtimestamp(nanoseconds / 1e9, UTC) if nanoseconds else None
