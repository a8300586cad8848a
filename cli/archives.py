"""Shell: files of this machine as a tar archive and back, as `kl cp` sends and receives them.

Received are files and folders below the destination, and nothing else: what an archive says of itself is a
container's word.

After: k8s staging/src/k8s.io/kubectl/pkg/cmd/cp/cp.go (recursiveTar, untarAll).
"""

from __future__ import annotations

import os
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from cli.errors import CliError


def pack(source: Path, name: str, archive: IO[bytes]) -> None:
    """Write a file, or a folder with all that is in it, under that name."""
    with tarfile.open(fileobj=archive, mode="w|", format=tarfile.GNU_FORMAT) as tar:
        for path, inside in _walk(source, PurePosixPath(name)):
            tar.add(path, str(inside), recursive=False)


def _walk(path: Path, name: PurePosixPath) -> Iterator[tuple[Path, PurePosixPath]]:
    """Folders only where they are empty: their files make them."""
    inside = sorted(path.iterdir()) if path.is_dir() and not path.is_symlink() else []
    if not inside:
        yield path, name
    for each in inside:
        yield from _walk(each, name / each.name)


def unpack(archive: IO[bytes], prefix: str, target: Path) -> list[str]:
    """Write what an archive holds below `prefix` to the target; warnings for what was left out."""
    warnings = []
    try:
        with tarfile.open(fileobj=archive, mode="r|") as tar:
            for member in tar:
                if not member.name.startswith(prefix):
                    raise CliError("tar contents corrupted")
                path = _below(target, member.name[len(prefix) :])
                if path is None:
                    place = os.path.normpath(f"{target}/{member.name[len(prefix) :]}")
                    warnings.append(f'warning: file "{place}" is outside target destination, skipping')
                elif member.issym() or member.islnk():
                    warnings.append(f'warning: skipping symlink: "{path}" -> "{member.linkname}"')
                else:
                    _write(tar, member, path)
    except tarfile.ReadError as error:
        # A command that failed has written no archive.
        if str(error) != "empty file":
            raise CliError(f"unexpected EOF: {error}") from error
    return warnings


def _below(target: Path, name: str) -> Path | None:
    path = os.path.normpath(f"{target}/{name}")
    return (
        Path(path)
        if os.path.commonpath([os.path.abspath(path), os.path.abspath(target)]) == (os.path.abspath(target))
        else None
    )


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if member.isdir():
        path.mkdir(exist_ok=True)
        return
    source = tar.extractfile(member)
    if source is not None:
        with path.open("wb") as file:
            shutil.copyfileobj(source, file)
