"""Shell: control groups as folders: makes them, puts processes in, reads what was used, removes them.

<tree>/kubelite/pod<uid>/<container id>/
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Mapping

from kubelet.runtime.process.shim import cgroup_layout as layout

PARENT = "kubelite"


class Cgroup:
    """One group: its folder in each controller's tree."""

    __slots__ = ("_folders", "_version")

    def __init__(self, version: int, folders: Mapping[str, str]) -> None:
        self._version, self._folders = version, folders

    def child(self, name: str) -> Cgroup:
        return Cgroup(self._version, {key: f"{folder}/{name}" for key, folder in self._folders.items()})

    def described(self) -> dict[str, object]:
        """In JSON, as the kubelet hands it to the shims."""
        return {"version": self._version, "folders": dict(self._folders)}

    def make(self) -> None:
        """Make the folders; in v2 what is below them may be limited, too."""
        for folder in self._unique():
            os.makedirs(folder, exist_ok=True)
            if self._version == 2:
                self.share(folder)

    def share(self, folder: str) -> None:
        """Let the groups below a folder of v2 have limits of their own."""
        _write(f"{folder}/cgroup.subtree_control", " ".join(f"+{each}" for each in layout.V2_CONTROLLERS))

    def make_leaf(self, resources: Mapping[str, int]) -> None:
        """Make a group for processes, with its limits."""
        for folder in self._unique():
            os.makedirs(folder, exist_ok=True)
        self.limit(resources)

    def limit(self, resources: Mapping[str, int]) -> None:
        """Set the limits. Memory's two may not cross: what was refused before the other was set goes then."""
        rows = layout.limits(self._version, resources)
        failed = [row for row in rows if not self._set(row)]
        for row in failed:
            if not self._set(row) and row[1] not in layout.OPTIONAL:
                raise OSError(f"cannot set {row[1]} to {row[2]}")

    def join(self, pid: int = 0) -> None:
        """Put a process in, or this one."""
        for folder in self._unique():
            _write(f"{folder}/cgroup.procs", str(pid))

    def out_of_memory_kills(self) -> int:
        return layout.out_of_memory_kills(self._read(*layout.OUT_OF_MEMORY[self._version]))

    def usage(self) -> tuple[int, int]:
        """Processor time in nanoseconds, and bytes of memory."""
        cpu = layout.cpu_nanoseconds(self._version, self._read(*layout.CPU[self._version]) or "0")
        usage, stat = self._read(*layout.MEMORY[self._version]), self._read(*layout.MEMORY_STAT)
        return cpu, layout.working_set(self._version, usage or "0", stat)

    def kill(self) -> None:
        """End whatever is in it."""
        for pid in self._members():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def kill_below(self) -> None:
        """End whatever is in the groups below it."""
        for folder in self._unique():
            for below in _entries(folder):
                if below.is_dir(follow_symlinks=False):
                    Cgroup(self._version, {"": below.path}).kill()

    def remove(self) -> bool:
        """Take the folders away, and those below; False while something in them has not ended yet."""
        return all([_remove(folder) for folder in self._unique()])

    def _members(self) -> set[int]:
        texts = [_read_file(f"{folder}/cgroup.procs") for folder in self._unique()]
        return {int(word) for text in texts for word in text.split()}

    def _unique(self) -> list[str]:
        return list(dict.fromkeys(self._folders.values()))

    def _set(self, row: tuple[str, str, str]) -> bool:
        controller, name, value = row
        try:
            _write(f"{self._folders[controller]}/{name}", value)
        except (OSError, KeyError):
            return False
        return True

    def _read(self, controller: str, name: str) -> str:
        folder = self._folders.get(controller)
        return _read_file(f"{folder}/{name}") if folder else ""


def find(version: int, trees: Mapping[str, str]) -> Cgroup | None:
    """The group above all pods' where this user may have one."""
    if not version:
        return None
    top = Cgroup(version, trees)
    parent = top.child(PARENT)
    try:
        if version == 2:
            top.make()
        parent.make()
    except OSError:
        return None
    return parent


def _remove(folder: str) -> bool:
    for below in [each.path for each in _entries(folder) if each.is_dir(follow_symlinks=False)]:
        _remove(below)
    try:
        os.rmdir(folder)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []


def _read_file(path: str) -> str:
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return ""


def _write(path: str, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)
