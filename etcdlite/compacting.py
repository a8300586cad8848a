"""Shell: --auto-compaction-mode and -retention: asks the compactor, and proposes what it says."""

from __future__ import annotations

import asyncio

from etcdlite.commands import CompactionRequest
from etcdlite.compactor import HOUR_SECONDS, Compactor, Periodic, Revisions
from etcdlite.errors import Refusal, StartupError, StoreError
from etcdlite.flags import parse_duration
from etcdlite.log import logger
from etcdlite.node import Node

log = logger("compacting")


def retention(mode: str, text: str) -> float:
    """The number of seconds, or of revisions, in the flag; a bare number of a time is hours."""
    if text.isdigit():
        return int(text) * (HOUR_SECONDS if mode == "periodic" else 1)
    try:
        if mode == "revision":
            raise ValueError(f"{text!r} is not a number of revisions")
        return parse_duration(text)
    except ValueError as error:
        raise StartupError(f"--auto-compaction-retention: {error}") from error


def compactor(mode: str, kept: float, now: float, revision: int) -> Compactor | None:
    """The compactor of these flags; None: everything is kept."""
    if not kept:
        return None
    return Periodic(kept, now, revision) if mode == "periodic" else Revisions(int(kept))


async def run(node: Node, chosen: Compactor | None) -> None:
    """Compact by itself, until cancelled."""
    while chosen is not None:
        await asyncio.sleep(chosen.interval_seconds)
        revision = chosen.due(node.now(), node.store.revision, node.is_leader)
        if revision is not None and await _is_compacted(node, revision):
            chosen.done(node.now(), revision)


async def _is_compacted(node: Node, revision: int) -> bool:
    try:
        await node.propose(CompactionRequest(revision))
    except StoreError as error:
        if error.refusal is Refusal.COMPACTED:
            return True  # somebody was there first
        log.warning("not compacted", revision=revision, why=str(error))
        return False
    log.info("compacted by itself", revision=revision)
    return True
