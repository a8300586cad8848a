"""Files as an archive and back, and what an archive may not do."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from cli.archives import pack, unpack
from cli.commands.cp import Place
from cli.errors import CliError


def archive_of(**files: bytes | None) -> io.BytesIO:
    """A file each; None stands for a link."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content or b"")
            if content is None:
                member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
            tar.addfile(member, io.BytesIO(content or b""))
    archive.seek(0)
    return archive


def test_a_folder_goes_and_comes_back(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "a" / "empty").mkdir(parents=True)
    (source / "a" / "x").write_bytes(bytes(range(256)) * 1000)
    (source / "link").symlink_to("a/x")
    archive = io.BytesIO()
    pack(source, "copy", archive)
    archive.seek(0)
    target = tmp_path / "target"
    warnings = unpack(archive, "copy", target)
    assert warnings == [f'warning: skipping symlink: "{target}/link" -> "a/x"']
    assert (target / "a" / "x").read_bytes() == bytes(range(256)) * 1000
    assert (target / "a" / "empty").is_dir()


def test_nothing_is_written_outside(tmp_path: Path) -> None:
    target = tmp_path / "target"
    warnings = unpack(archive_of(**{"p/../evil": b"x", "p/good": b"y"}), "p", target)
    assert warnings == [f'warning: file "{tmp_path}/evil" is outside target destination, skipping']
    assert sorted(each.name for each in tmp_path.rglob("*")) == ["good", "target"]
    with pytest.raises(CliError, match="tar contents corrupted"):
        unpack(archive_of(other=b"x"), "p", target)


def test_a_command_that_failed_has_written_no_archive(tmp_path: Path) -> None:
    assert unpack(io.BytesIO(), "p", tmp_path) == []


def test_places() -> None:
    assert Place.parse("web:/x:y") == Place("", "web", "/x:y")
    assert Place.parse("ns/web:x") == Place("ns", "web", "x")
    assert Place.parse("x") == Place("", "", "x")
    for text in (":x", "a/b/c:x", "/c:x"):
        with pytest.raises(CliError, match="filespec must match"):
            Place.parse(text)
