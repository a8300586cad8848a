"""Shell: `down`: ends every process of a data dir, with its supervisor's help or without.

The supervisor ends its processes in good order. If it is gone or does not answer, those it had written down
are ended by pid and start time, the supervisor and the nursery first, so that nothing is started again
meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from pathlib import Path

from deploy import control, state
from deploy.ending import end, wait_ended
from deploy.errors import LaunchError
from deploy.layout import run_dir

# Three stages of five seconds each, and some.
SUPERVISOR_SECONDS = 20.0
KEEPERS = ("supervisor", "nursery")
# What a data dir holds; --wipe removes nothing else.
CONTENTS = (
    "env",
    "admin.kubeconfig",
    "cluster.json",
    "pki",
    "kubeconfigs",
    "logs",
    "audit",
    "nodes",
    "volumes",
    "etcd-*",
)


async def stop(data_dir: Path) -> bool:
    """End everything that runs for this data dir; False if nothing did."""
    run = run_dir(data_dir)
    if not run.exists():
        return False
    running = state.load_running(data_dir)
    alive = any(identity.is_alive() for identity in running.values())
    with contextlib.suppress(TimeoutError):
        if await control.ask(run, "stop") is not None and "supervisor" in running:
            async with asyncio.timeout(SUPERVISOR_SECONDS):
                await wait_ended(running["supervisor"])
    await end([identity for name, identity in running.items() if name in KEEPERS])
    await end([identity for name, identity in running.items() if name not in KEEPERS])
    shutil.rmtree(run, ignore_errors=True)
    return alive


def wipe(data_dir: Path) -> None:
    """Remove what a cluster has written, and its folder if nothing else is in it."""
    if not (data_dir / "cluster.json").exists() and data_dir.exists() and any(data_dir.iterdir()):
        raise LaunchError(f"{data_dir} holds no cluster: nothing is removed")
    for pattern in CONTENTS:
        for path in data_dir.glob(pattern):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
    if data_dir.exists() and not any(data_dir.iterdir()):
        data_dir.rmdir()
