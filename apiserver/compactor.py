"""Shell: lets the store forget, every five minutes, what was five minutes old.

Several API servers, real ones among them, share the work through one key of the store: the first to write it
in each round may compact.

After: k8s staging/src/k8s.io/apiserver/pkg/storage/etcd3/compact.go
"""

from __future__ import annotations

import asyncio

from apiserver.storage.etcd import EtcdStorage
from apiserver.storage.interface import Compacted, Unavailable
from kube.base.logs import logger

log = logger(__name__)

INTERVAL_SECONDS = 300.0


async def run(storage: EtcdStorage, interval_seconds: float) -> None:
    """Compact for ever, to where the store was one round ago."""
    version, revision = 0, 0
    while True:
        try:
            version, revision = await one_round(storage, version, revision)
        except Unavailable as error:
            log.warning("compaction put off", error=error)
        await asyncio.sleep(interval_seconds)


async def one_round(storage: EtcdStorage, version: int, revision: int) -> tuple[int, int]:
    """Compact to the revision if it is our turn; the guard's version and the revision for the next round."""
    mine, version, now = await storage.claim_compaction(version, revision)
    if mine and revision:
        try:
            await storage.compact(revision)
            log.info("store compacted", revision=revision)
        except Compacted:
            # Somebody has gone further by hand.
            pass
    return version, now
