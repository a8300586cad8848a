"""Shell: ends the shims of a node, and their pods with them, when its kubelet has ended for good."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

from kubelet.runtime.process.shim.cgroup import Cgroup

# A shim gives its containers two seconds, then kills them.
GRACE_SECONDS = 5.0


async def clear(folder: Path) -> None:
    """Nothing of the pods in a runtime's folder runs any more; what is written of them stays."""
    await asyncio.gather(*(_end(path) for path in _identities(folder)))


def _identities(folder: Path) -> list[Path]:
    """The files that name the shims."""
    return list(folder.glob("*/shim.json"))


async def _end(identity: Path) -> None:
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
    _clear_group(identity.parent)
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


def _clear_group(folder: Path) -> None:
    """What a shim would have taken away that had to be killed."""
    if group := json.loads((folder / "sandbox.json").read_text())["cgroup"]:
        left = Cgroup(**group)
        left.kill_below()
        left.remove()
