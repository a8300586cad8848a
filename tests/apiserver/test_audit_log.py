"""The file behind the audit log, and the queue before it: rotation, disks that take no more, a clean end; and
the flags.
"""

from __future__ import annotations

import asyncio
import resource
import signal
import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from prometheus_client import Counter

from apiserver.audit import log as audit_log
from apiserver.audit.log import AuditLog, Mode
from apiserver.audit.options import AuditFlags, open_auditor
from apiserver.audit.rotation import RotatingFile, StandardOutput
from apiserver.main import main
from kube.base.clock import SystemClock
from kube.base.startup import StartupError

NOW = datetime(2030, 1, 1, tzinfo=UTC)
LINE = b"x" * 9 + b"\n"


class Standing:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.time = NOW

    def now(self) -> datetime:
        return self.time


def errors() -> Counter:
    return Counter("apiserver_audit_error", "Lost.", ("plugin",), registry=None)


def lost(counter: Counter) -> dict[str, float]:
    samples = next(iter(counter.collect())).samples
    return {each.labels["plugin"]: each.value for each in samples if each.name.endswith("_total")}


def sizes(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in sorted(folder.iterdir())}


def test_a_full_file_is_put_aside_under_the_time(tmp_path: Path) -> None:
    clock = Standing()
    file = RotatingFile(tmp_path / "logs" / "audit.log", clock, bytes_max=25)
    assert file.append([LINE] * 2) == (2, None)
    clock.time += timedelta(seconds=1, milliseconds=5)
    assert file.append([LINE] * 5) == (5, None)
    assert file.append([b"y" * 40 + b"\n", LINE]) == (2, None)
    assert sizes(tmp_path / "logs") == {
        "audit-2030-01-01T00-00-01.005.log": 20,
        "audit-2030-01-01T00-00-01.006.log": 20,
        "audit-2030-01-01T00-00-01.007.log": 20,
        "audit-2030-01-01T00-00-01.008.log": 10,
        "audit-2030-01-01T00-00-01.009.log": 41,
        "audit.log": 10,
    }


def test_what_is_put_aside_is_kept_for_a_number_of_files_and_of_days(tmp_path: Path) -> None:
    clock, path = Standing(), tmp_path / "audit.log"
    others = {"audit-.log", "audit-notes.log", "audit-2030-13-01T00-00-00.000.log", "other.log"}
    for name in others:
        (tmp_path / name).touch()
    file = RotatingFile(path, clock, bytes_max=10, backups_max=3, days_max=2)
    for _ in range(6):
        clock.time += timedelta(hours=12)
        file.append([LINE])
    kept = [at for at, _ in file.backups()]
    assert kept == [clock.time - timedelta(hours=12 * ago) for ago in range(3)]
    clock.time += timedelta(days=1, hours=23)
    file.close()
    RotatingFile(path, clock, bytes_max=10, days_max=2)
    assert [at for at, _ in file.backups()] == kept[:1]
    assert others <= set(sizes(tmp_path))


def test_a_file_goes_on_where_it_was_and_is_one_writers_alone(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    file = RotatingFile(path, Standing(), bytes_max=25)
    file.append([LINE])
    with pytest.raises(StartupError, match=f"--audit-log-path {path}: another process writes to it"):
        RotatingFile(path, Standing(), bytes_max=25)
    file.close()
    RotatingFile(path, Standing(), bytes_max=25).append([LINE] * 2)
    assert sizes(tmp_path) == {"audit-2030-01-01T00-00-00.000.log": 20, "audit.log": 10}
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_line_that_fits_only_in_part_leaves_none(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The limit on a file's size plays a disk that is full."""
    file = RotatingFile(tmp_path / "audit.log", Standing(), bytes_max=1000)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    assert signal.getsignal(signal.SIGXFSZ) is signal.SIG_IGN
    resource.setrlimit(resource.RLIMIT_FSIZE, (25, before[1]))
    try:
        count, error = file.append([LINE] * 4)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert (count, error is not None) == (2, True)
    assert file.append([b"end\n"]) == (1, None)
    assert (tmp_path / "audit.log").read_bytes() == LINE * 2 + b"end\n"


def test_a_file_that_cannot_be_put_aside_grows_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = RotatingFile(tmp_path / "a" / "audit.log", Standing(), bytes_max=10)
    file.append([LINE])
    (tmp_path / "a").rename(tmp_path / "b")
    assert file.append([LINE] * 3) == (3, None)
    assert sizes(tmp_path / "b") == {"audit.log": 40}
    (tmp_path / "b").rename(tmp_path / "a")
    assert file.append([LINE]) == (1, None)
    assert sizes(tmp_path / "a") == {"audit-2030-01-01T00-00-00.000.log": 40, "audit.log": 10}
    assert [each.getMessage() for each in caplog.records] == ["the audit log cannot be rotated"]


def test_standard_output(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert StandardOutput().append([b"a\n", b"b\n"]) == (2, None)
    assert capfdbinary.readouterr().out == b"a\nb\n"


class Slow:
    """A disk that takes lines when it is let."""

    def __init__(self) -> None:
        self.free, self.lines = threading.Event(), list[bytes]()

    def append(self, lines: Sequence[bytes]) -> tuple[int, OSError | None]:
        assert self.free.wait(60)
        self.lines += lines
        return len(lines), None

    def close(self) -> None:
        pass


async def test_who_writes_waits_unless_in_batches_and_all_are_there_at_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(audit_log, "SLOW_SECONDS", -1)
    for mode in Mode:
        disk = Slow()
        written = AuditLog(disk, mode, errors())
        disk.free.set()
        # The first write, which counts as slow here.
        assert await written.write(b"slow\n")
        assert disk.lines == ([] if mode is Mode.BATCH else [b"slow\n"])
        disk.free.clear()
        writers = [asyncio.create_task(written.write(b"%d\n" % at)) for at in range(3)]
        if mode is Mode.BATCH:
            assert await asyncio.gather(*writers) == [True] * 3
        else:
            done, waiting = await asyncio.wait(writers, timeout=0)
            assert (len(done), len(waiting)) == (0, 3)
            # A request that is cut off is told of all the same.
            writers[1].cancel()
        closing = asyncio.create_task(written.close())
        await asyncio.sleep(0)
        assert not closing.done()
        disk.free.set()
        await closing
        assert await written.write(b"late\n")
        assert disk.lines == [b"slow\n", b"0\n", b"1\n", b"2\n", b"late\n"]
        await asyncio.gather(*writers, return_exceptions=True)


async def test_a_disk_that_is_too_slow_costs_lines_which_are_counted(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(audit_log, "QUEUE_LINES_MAX", 3)
    monkeypatch.setattr(audit_log, "QUEUE_BYTES_MAX", 100)
    counter, disk = errors(), Slow()
    written = AuditLog(disk, Mode.BATCH, counter)
    assert await written.write(b"0\n")
    assert not await written.write(b"x" * 101)
    assert [await written.write(b"%d\n" % at) for at in range(4)] == [True] * 2 + [False] * 2
    assert lost(counter) == {"buffered": 3}
    assert [each.getMessage() for each in caplog.records] == [
        "the audit log is written too slowly: events are lost"
    ]
    disk.free.set()
    await written.close()
    assert disk.lines == [b"0\n", b"0\n", b"1\n"]


class Changing:
    """A disk that is full, and later is not."""

    def __init__(self) -> None:
        self.error: OSError | None = OSError(28, "No space left on device")

    def append(self, lines: Sequence[bytes]) -> tuple[int, OSError | None]:
        return (0, self.error) if self.error else (len(lines), None)

    def close(self) -> None:
        pass


async def test_a_full_disk_is_told_of_once_and_again_when_it_is_over(
    caplog: pytest.LogCaptureFixture,
) -> None:
    counter, disk = errors(), Changing()
    written = AuditLog(disk, Mode.STRICT, counter)
    assert [await written.write(LINE) for _ in range(3)] == [False] * 3
    disk.error = None
    assert await written.write(LINE)
    assert lost(counter) == {"log": 3}
    assert [each.getMessage() for each in caplog.records] == [
        "the audit log cannot be written: events are lost",
        "the audit log is written again",
    ]
    await written.close()


POLICY = "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: %s}]\n"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, "No such file or directory"),
        (POLICY % "All", 'rules[0].level: Unsupported value: "All": supported values: "None", "Metadata", '),
        ("a: [", "it is no YAML: while parsing a flow"),
        ("", "Policy: Invalid value: null: must be a mapping"),
    ],
    ids=("missing", "invalid", "no YAML", "empty"),
)
def test_a_policy_that_is_none_is_named_with_its_flag(tmp_path: Path, text: str | None, told: str) -> None:
    path = tmp_path / "policy.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(StartupError) as refused:
        open_auditor(AuditFlags(audit_policy_file=str(path), audit_log_path="-"), SystemClock())
    assert str(refused.value).startswith(f"--audit-policy-file {path}: {told}")


def test_a_log_needs_a_policy_and_mistakes_that_do_no_harm_are_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert open_auditor(AuditFlags(), SystemClock()) is None
    assert caplog.records == []
    assert open_auditor(AuditFlags(audit_log_path="-"), SystemClock()) is None
    path = tmp_path / "policy.yaml"
    path.write_text(POLICY % "Metadata, user: [bob]" + "rules: [{level: None}]\n")
    auditor = open_auditor(AuditFlags(audit_policy_file=str(path), audit_log_path="-"), SystemClock())
    assert auditor is not None
    fields = [getattr(each, "fields", {}).get("mistake") for each in caplog.records]
    assert fields == [None, 'line 4: key "rules" already set in map']


def test_a_log_that_cannot_be_opened_and_flags_that_are_none_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    path = tmp_path / "file" / "audit.log"
    with pytest.raises(StartupError, match=f"--audit-log-path {path}: (Not a directory|File exists)"):
        RotatingFile(path, Standing(), bytes_max=1)
    for flag in ("--audit-log-mode=sometimes", "--audit-log-format=legacy", "--audit-log-maxage=-1"):
        refused = CliRunner().invoke(main, [flag])
        assert (refused.exit_code, flag.partition("=")[0] in refused.output) == (2, True)
