"""Core: the pretended tar, as `kubectl cp` calls it: an archive from and to the standard streams.

    tar cf - PATH ...          tar xmf - -C FOLDER

Absent: compression, links and whatever else is neither file nor folder; it is passed over when unpacked.
After: k8s staging/src/k8s.io/kubectl/pkg/cmd/cp/cp.go.
"""

from __future__ import annotations

import io
import posixpath
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from kubelet.runtime.programs.files import FileProblem, Files
from kubelet.runtime.programs.process import Now, Process, Read, Running, Write, complain

CHUNK_BYTES = 1 << 16
FAILED = 2


@dataclass(slots=True)
class Call:
    """What the words ask for. mode: c, x, t, or nothing that is known here."""

    mode: str = ""
    file: str = ""
    folder: str = "."
    names: list[str] = field(default_factory=list)

    @classmethod
    def parse(cls, words: Sequence[str]) -> Call:
        call, rest = cls(), list(words)
        if rest and not rest[0].startswith("-"):
            rest[0] = f"-{rest[0]}"
        while rest:
            word = rest.pop(0)
            if word == "--":
                call.names += rest
                break
            if word.startswith("-") and not word.startswith("--"):
                call._take(word[1:], rest)
            elif not word.startswith("--"):
                call.names.append(word)
        return call

    def _take(self, letters: str, rest: list[str]) -> None:
        for letter in letters:
            if letter in "cxt":
                self.mode = letter
            elif letter == "f" and rest:
                self.file = rest.pop(0)
            elif letter == "C" and rest:
                self.folder = rest.pop(0)


def tar(process: Process, words: Sequence[str]) -> Running:
    """See the module."""
    call = Call.parse(words)
    if call.file != "-" or call.mode not in ("c", "x") or not process.is_folder(call.folder):
        what = (
            f"can't change directory to '{call.folder}'"
            if call.file == "-"
            else "only `tar cf -`, `tar xf -`"
        )
        yield complain(f"tar: {what}\n")
        return 1
    inner = process.path(call.folder)
    if call.mode == "x":
        return (yield from _unpack(process.surroundings.files, inner))
    return (yield from _pack(process.surroundings.files, inner, call.names))


def _pack(files: Files, folder: str, names: Sequence[str]) -> Running:
    buffer, code = io.BytesIO(), 0
    now = (yield Now()).timestamp()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name in names:
            path = files.path(folder, name)
            if not files.exists(path):
                yield complain(f"tar: {name}: No such file or directory\n")
                code = 1
                continue
            for member, content in _members(files, path, name.lstrip("/")):
                member.mtime = now
                archive.addfile(member, io.BytesIO(content))
    data = buffer.getvalue()
    for start in range(0, len(data), CHUNK_BYTES):
        yield Write(data[start : start + CHUNK_BYTES])
    return code


def _members(files: Files, path: str, name: str) -> Iterator[tuple[tarfile.TarInfo, bytes]]:
    member = tarfile.TarInfo(name or ".")
    if files.is_folder(path):
        member.type, member.mode = tarfile.DIRTYPE, 0o755
        yield member, b""
        for each in files.entries(path):
            yield from _members(files, files.path(path, each), posixpath.join(name, each))
        return
    content = files.read(path)
    member.size, member.mode = len(content), 0o644
    yield member, content


def _unpack(files: Files, folder: str) -> Running:
    data = bytearray()
    while more := (yield Read()):
        data += more
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
            for member in archive:
                path = files.path(folder, member.name.lstrip("/"))
                if member.isdir():
                    files.make_folders(path)
                elif member.isfile():
                    files.make_folders(posixpath.dirname(path))
                    content = archive.extractfile(member)
                    files.write(path, content.read() if content else b"")
    except tarfile.TarError:
        yield complain("tar: invalid tar magic\n")
        return 1
    except FileProblem as problem:
        yield complain(f"tar: can't write: {problem}\n")
        return FAILED
    return 0
