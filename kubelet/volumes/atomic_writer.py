"""Shell: writes a volume's files so that a reader sees all old or all new ones, never a mixture.

    volume/..2026_11_26_00_00_00.123456/   the files
    volume/..data -> that folder           renamed over the old link in one step
    volume/key    -> ..data/key            what users see

Invariants: an update that changes nothing touches nothing; a crash in between leaves the old files.
After: k8s pkg/volume/util/atomic_writer.go.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from datetime import datetime
from pathlib import Path

from kubelet.volumes.files import File, Files

DATA = "..data"


def write(folder: Path, files: Files, group: int | None, now: datetime) -> bool:
    """Make the folder hold these files; group: whose they become, where the kubelet may. True: it changed."""
    folder.mkdir(parents=True, exist_ok=True)
    data = folder / DATA
    if data.exists() and _held(data) == _wanted(files):
        return False
    old = os.readlink(data) if data.is_symlink() else None
    place = _new_folder(folder, now)
    for path, file in files.items():
        _write_file(place, path, file, group)
    _link(data, place.name)
    _show(folder, {path.split("/")[0] for path in files})
    if old is not None and old != place.name:
        shutil.rmtree(folder / old, ignore_errors=True)
    return True


def _wanted(files: Files) -> dict[str, tuple[bytes, int]]:
    return {path: (file.data, file.mode) for path, file in files.items()}


def _held(data: Path) -> dict[str, tuple[bytes, int]]:
    """What is there now."""
    found = {}
    for place, _, names in os.walk(data):
        for name in names:
            path = Path(place, name)
            found[str(path.relative_to(data))] = path.read_bytes(), path.stat().st_mode & 0o7777
    return found


def _new_folder(folder: Path, now: datetime) -> Path:
    name, number = now.strftime("..%Y_%m_%d_%H_%M_%S.%f"), 0
    while True:
        place = folder / (f"{name}{number}" if number else name)
        try:
            place.mkdir(mode=0o755)
        except FileExistsError:
            number += 1
            continue
        # mkdir heeds the umask.
        place.chmod(0o755)
        return place


def _write_file(place: Path, path: str, file: File, group: int | None) -> None:
    target = place / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(file.data)
    target.chmod(file.mode)
    if file.owner is not None or group is not None:
        with contextlib.suppress(PermissionError):
            os.chown(target, -1 if file.owner is None else file.owner, -1 if group is None else group)


def _link(link: Path, target: str) -> None:
    """Point a link elsewhere, in one step."""
    fresh = link.with_name(link.name + "_tmp")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(target)
    fresh.rename(link)


def _show(folder: Path, names: set[str]) -> None:
    """The links that users see: one for each file or folder at the top."""
    for entry in os.scandir(folder):
        if not entry.name.startswith("..") and entry.name not in names:
            os.unlink(entry.path)
    for name in sorted(names):
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(f"{DATA}/{name}")
