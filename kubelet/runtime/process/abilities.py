"""Shell: what this machine lets the kubelet's user do for containers, as shim/abilities.py finds it out."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kube.base.logs import logger
from kubelet.runtime.process.shim.cgroup import Cgroup

log = logger(__name__)

SHIM = Path(__file__).parent / "shim" / "__main__.py"


@dataclass(frozen=True, slots=True)
class Abilities:
    """has_mounts: containers have a view of the files of their own. has_redirection: and pods an address.

    cgroup: the group above all pods' ({version, folders}), where there can be one.
    """

    has_mounts: bool
    has_redirection: bool
    cgroup: Mapping[str, Any] | None = None

    def group_of(self, pod_uid: str) -> Cgroup | None:
        return Cgroup(**self.cgroup).child(f"pod{pod_uid}") if self.cgroup else None


async def find(trial: Path) -> Abilities:
    """By trying it, in a folder for that."""
    with _folder(trial):
        found = await asyncio.create_subprocess_exec(
            *shim_command("abilities", str(trial)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
        )
        text, _ = await found.communicate()
    if found.returncode:
        log.warning("cannot find out what containers can have here: they have nothing but processes")
        return Abilities(has_mounts=False, has_redirection=False)
    abilities = Abilities(**json.loads(text))
    log.info("what containers can have here", **{key: bool(each) for key, each in asdict(abilities).items()})
    return abilities


@contextlib.contextmanager
def _folder(path: Path) -> Iterator[None]:
    """A folder for the time of the block."""
    path.mkdir(exist_ok=True)
    try:
        yield
    finally:
        path.rmdir()


def shim_command(*words: str) -> list[str]:
    """The shim's program, lightly started: without the site's packages and the environment's say."""
    return [sys.executable, "-I", "-S", str(SHIM), *words]
