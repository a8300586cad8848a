"""Shell: turns over the logs of running containers that have grown too long.

    x.log.20300101-000000.gz   x.log.20300102-000000   x.log
    older ones, compressed     the one before          the one being written

`max_files` counts the newest as well. The one before stays as it is: a follower may still read it.

Invariants: a file is moved only within its folder, in one step, and moved back where the runtime does not
open another; what is compressed appears whole or not at all.
After: k8s pkg/kubelet/logs/container_log_manager.go
"""

from __future__ import annotations

import asyncio
import gzip
import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from kube.base.clock import Clock
from kube.base.logs import logger
from kubelet.runtime.interface import Container, Runtime, RuntimeFailure

log = logger(__name__)

# How often the sizes are looked at.
MONITOR_SECONDS = 10.0
STAMP = "%Y%m%d-%H%M%S"
COMPRESSED, SCRATCH = ".gz", ".tmp"
ROTATED = re.compile(r"\.\d{8}-\d{6}(\.gz)?(\.tmp)?")


@dataclass(frozen=True, slots=True)
class Policy:
    """How long a log may grow, and how many files it may have, as the kubelet's flags say."""

    max_bytes: int = 10 * 1024 * 1024
    max_files: int = 5


class Rotation:
    """The logs of one node."""

    def __init__(self, runtime: Runtime, clock: Clock, policy: Policy) -> None:
        assert policy.max_files > 1, "a log that is turned over has two files"
        self._runtime, self._clock, self._policy = runtime, clock, policy
        # Logs that have files beside them, which go when the container goes.
        self._turned: dict[str, Path] = {}

    async def run(self) -> None:
        """Look at the logs for ever."""
        self._find_turned()
        while True:
            await self.look()
            await asyncio.sleep(MONITOR_SECONDS)

    async def look(self) -> None:
        """Turn over what is too long now, and forget what belongs to nobody."""
        containers = self._containers()
        for container in containers:
            path = self._runtime.log_path(container.id)
            if container.is_running and _size(path) >= self._policy.max_bytes:
                await self._turn(container.id, path)
        for gone in self._turned.keys() - {each.id for each in containers}:
            _remove(_rotated(self._turned.pop(gone)))

    async def _turn(self, container_id: str, path: Path) -> None:
        self._turned[container_id] = path
        try:
            await asyncio.to_thread(_make_room, path, self._policy.max_files)
            await self._replace(container_id, path, self._clock.now())
        except (OSError, RuntimeFailure) as error:
            log.warning("cannot turn a log over", path=path, error=error)

    async def _replace(self, container_id: str, path: Path, now: datetime) -> None:
        aside = path.with_name(f"{path.name}.{now.strftime(STAMP)}")
        _move(path, aside)
        try:
            await self._runtime.reopen_log(container_id)
        except (OSError, RuntimeFailure):
            _move(aside, path)
            raise

    def _containers(self) -> list[Container]:
        runtime = self._runtime
        return [
            each for sandbox in runtime.list_sandboxes() for each in runtime.containers_of(sandbox.pod_uid)
        ]

    def _find_turned(self) -> None:
        """Those that an earlier kubelet turned over."""
        for container in self._containers():
            path = self._runtime.log_path(container.id)
            if _rotated(path):
                self._turned[container.id] = path


def _move(path: Path, target: Path) -> None:
    path.rename(target)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _rotated(path: Path) -> list[Path]:
    """The files beside a log that were it once, oldest first."""
    if not path.parent.is_dir():
        return []
    beside = (each for each in path.parent.iterdir() if each.name.startswith(path.name))
    return sorted(each for each in beside if ROTATED.fullmatch(each.name, len(path.name)))


def _make_room(path: Path, max_files: int) -> None:
    """Leave so many old files that with the next one and the newest they are no more than allowed."""
    files = _rotated(path)
    _remove(each for each in files if each.suffix == SCRATCH)
    files = [each for each in files if each.suffix != SCRATCH]
    keep = max_files - 2
    _remove(files[: len(files) - keep])
    for each in files[max(len(files) - keep, 0) :]:
        if each.suffix != COMPRESSED:
            _compress(each)


def _compress(path: Path) -> None:
    whole = path.with_name(path.name + COMPRESSED)
    scratch = whole.with_name(whole.name + SCRATCH)
    with path.open("rb") as source, gzip.open(scratch, "wb") as target:
        shutil.copyfileobj(source, target)
    scratch.rename(whole)
    path.unlink()


def _remove(paths: Iterable[Path]) -> None:
    for each in paths:
        each.unlink(missing_ok=True)
