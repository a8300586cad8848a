"""Shell: lets the store forget, every five minutes, what was five minutes old.

Several API servers share the work through one key of the store: the first to write it in each round may
compact.

After: k8s staging/src/k8s.io/apiserver/pkg/storage/etcd3/compact.go
"""

from __future__ import annotations

import asyncio

from apiserver.storage.etcd import EtcdStorage
from apiserver.storage.interface import Compacted, Unavailable
from kube.base.logs import logger

log = logger(__name__)

INTERVAL_SECONDS = 300.0


async def run(storage: EtcdStorage) -> None:
    """Compact for ever, to where the store was one round ago."""
    version, revision = 0, 0
    while True:
        try:
            mine, version, seen = await storage.claim_compaction(version)
            if mine and revision:
                await storage.compact(revision)
                log.info("store compacted", revision=revision)
            revision = seen
        except Compacted:
            pass
        except Unavailable as error:
            log.warning("compaction put off", error=error)
        await asyncio.sleep(INTERVAL_SECONDS)
