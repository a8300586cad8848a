"""Shell: ends the shims of a node, and their pods with them, when its kubelet has ended for good."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

from kube.base.logs import logger
from kubelet.runtime.process.shim.cgroup import Cgroup

log = logger(__name__)

# A shim gives its containers two seconds, then kills them.
GRACE_SECONDS = 5.0
# How often, and how many times, to see whether killed processes are gone.
LOOK_SECONDS, LOOKS_MAX = 0.02, 250


async def clear(folder: Path) -> None:
    """Nothing of the pods in a runtime's folder runs any more; what is written of them stays."""
    await asyncio.gather(*(end(path) for path in _identities(folder)))


async def clear_group(group: Cgroup) -> None:
    """What a shim would have taken away that was killed: the pod's control group, and whatever is in it.

    Who was killed is in it until the kernel is done with him.
    """
    for _ in range(LOOKS_MAX):
        group.kill_below()
        if group.remove():
            return
        await asyncio.sleep(LOOK_SECONDS)
    log.warning("a control group cannot be removed", group=group.described())


def _identities(folder: Path) -> list[Path]:
    """The files that name the shims."""
    return list(folder.glob("*/shim.json"))


async def end(identity: Path) -> None:
    """The shim that the file names, and its pod."""
    with _process(identity) as pidfd:
        if pidfd is not None:
            ended = _ended(pidfd)
            # One that was stopped would never hear of it.
            for number in (signal.SIGTERM, signal.SIGCONT):
                signal.pidfd_send_signal(pidfd, number)
            try:
                async with asyncio.timeout(GRACE_SECONDS):
                    await asyncio.shield(ended)
            except TimeoutError:
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)
                await ended
    if group := _group_of(identity.parent):
        await clear_group(group)
    os.unlink(identity)


@contextlib.contextmanager
def _process(identity: Path) -> Iterator[int | None]:
    """The shim that the file names, if it is that one still."""
    said = json.loads(identity.read_text())
    try:
        pidfd = os.pidfd_open(said["pid"])
    except ProcessLookupError:
        yield None
        return
    try:
        yield pidfd if _started(said["pid"]) == said["started"] else None
    finally:
        os.close(pidfd)


def _started(pid: int) -> int | None:
    """When the process started, in ticks since boot; None for one that has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def _ended(pidfd: int) -> asyncio.Future[None]:
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[None] = loop.create_future()

    def done() -> None:
        loop.remove_reader(pidfd)
        ended.set_result(None)

    loop.add_reader(pidfd, done)
    return ended


def _group_of(folder: Path) -> Cgroup | None:
    group = json.loads((folder / "sandbox.json").read_text())["cgroup"]
    return Cgroup(**group) if group else None
