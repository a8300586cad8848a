"""What the shim decides without touching the machine: lines of logs, addresses, rights, control groups."""

from __future__ import annotations

import socket
import struct
from pathlib import Path

import pytest

from kubelet.runtime.process.shim import capabilities, cgroup, cgroup_layout, redirect
from kubelet.runtime.process.shim.cgroup import Cgroup
from kubelet.runtime.process.shim.log_lines import LINE_BYTES_MAX, LineCutter

NOW = b"2030-01-01T00:00:00.000000000Z"
POD = "127.224.1.5"


def lines(*pieces: bytes) -> list[bytes]:
    """The log of these pieces of output, without the time."""
    cutter = LineCutter("stdout")
    written = b"".join([*(cutter.feed(piece, NOW) for piece in pieces), cutter.end(NOW)])
    prefix = NOW + b" stdout "
    cut = written.split(b"\n")
    assert cut.pop() == b""
    assert all(line.startswith(prefix) for line in cut)
    return [line.removeprefix(prefix) for line in cut]


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        (b"", []),
        (b"one\n", [b"F one"]),
        (b"one\ntwo\n", [b"F one", b"F two"]),
        (b"\n\n", [b"F ", b"F "]),
        (b"no end", [b"P no end"]),
        (b"one\r\ntwo", [b"F one\r", b"P two"]),
    ],
)
def test_output_is_cut_into_lines_however_it_comes(output: bytes, expected: list[bytes]) -> None:
    assert lines(output) == expected
    assert lines(*(bytes([each]) for each in output)) == expected


def test_a_long_line_is_cut_and_marked() -> None:
    long = b"x" * LINE_BYTES_MAX
    assert lines(long + b"rest\n") == [b"P " + long, b"F rest"]
    assert lines(long, b"rest\n") == [b"P " + long, b"F rest"]
    assert b"".join(line[2:] for line in lines(long * 3 + b"end")) == long * 3 + b"end"


def inet(host: str, port: int) -> bytes:
    return struct.pack("=H", socket.AF_INET) + struct.pack(">H", port) + socket.inet_aton(host) + bytes(8)


def inet6(host: str, port: int) -> bytes:
    head = struct.pack("=H", socket.AF_INET6) + struct.pack(">HI", port, 0)
    return head + socket.inet_pton(socket.AF_INET6, host) + bytes(4)


@pytest.mark.parametrize(
    ("address", "bound", "connected"),
    [
        (inet("0.0.0.0", 80), (POD, 80), (POD, 80)),
        (inet("127.0.0.1", 80), (POD, 80), (POD, 80)),
        (inet("127.96.0.1", 443), None, ("127.96.0.1", 443)),
        (inet(POD, 80), None, (POD, 80)),
        (inet("127.0.0.53", 53), None, None),
        (inet("10.0.0.1", 80), None, None),
        (inet("0.0.0.0", 0), None, (POD, 0)),
        (inet6("::", 80), (f"::ffff:{POD}", 80), (f"::ffff:{POD}", 80)),
        (inet6("::1", 80), (f"::ffff:{POD}", 80), (f"::ffff:{POD}", 80)),
        (inet6("::ffff:127.0.0.1", 80), (f"::ffff:{POD}", 80), (f"::ffff:{POD}", 80)),
        (inet6("::ffff:127.96.0.1", 80), None, ("::ffff:127.96.0.1", 80)),
        (inet6("::ffff:10.0.0.1", 80), None, None),
        (inet6("2001:db8::1", 80), None, None),
        (struct.pack("=H", socket.AF_UNIX) + b"/run/some.sock", None, None),
        (b"\x02", None, None),
        (b"", None, None),
    ],
)
def test_what_means_this_machine_means_the_pod(
    address: bytes, bound: tuple[str, int] | None, connected: tuple[str, int] | None
) -> None:
    assert redirect.bind_target(address, POD) == bound
    assert redirect.connect_target(address, POD) == connected


@pytest.mark.parametrize(
    ("added", "dropped", "kept"),
    [
        ([], [], capabilities.USUAL),
        (["SYS_TIME", "CAP_KILL"], ["chown"], (capabilities.USUAL | {"SYS_TIME"}) - {"CHOWN"}),
        (["NET_ADMIN"], ["ALL"], {"NET_ADMIN"}),
        (["ALL"], ["SYS_ADMIN"], set(capabilities.NAMES) - {"SYS_ADMIN"}),
        ([], ["ALL"], set()),
    ],
)
def test_capabilities_are_the_usual_ones_and_what_the_pod_says(
    added: list[str], dropped: list[str], kept: set[str]
) -> None:
    gone = capabilities.dropped(added, dropped)
    assert {name for number, name in enumerate(capabilities.NAMES) if number not in gone} == kept


V1 = """\
25 20 0:21 / /sys rw - sysfs sysfs rw
30 25 0:26 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
31 25 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
32 25 0:28 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
"""
V2 = "30 25 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"


def test_the_trees_of_both_versions() -> None:
    both = "/sys/fs/cgroup/cpu,cpuacct"
    assert cgroup_layout.trees(V1) == (1, {"cpu": both, "cpuacct": both, "memory": "/sys/fs/cgroup/memory"})
    assert cgroup_layout.trees(V2) == (2, dict.fromkeys(("cpu", "memory", "pids"), "/sys/fs/cgroup"))
    assert cgroup_layout.trees("25 20 0:21 / /sys rw - sysfs sysfs rw\n") == (0, {})


RESOURCES = {"cpu_shares": 1024, "cpu_quota": 50_000, "cpu_period": 100_000, "memory_limit_bytes": 1 << 20}
NONE = {"cpu_shares": 2, "cpu_quota": 0, "cpu_period": 100_000, "memory_limit_bytes": 0}


@pytest.mark.parametrize(
    ("version", "resources", "expected"),
    [
        (1, RESOURCES, ["1024", "100000", "50000", "1048576", "1048576"]),
        (1, NONE, ["2", "100000", "-1", "-1", "-1"]),
        (2, RESOURCES, ["39", "50000 100000", "1048576", "0", "1"]),
        (2, NONE, ["1", "max 100000", "max", "max", "1"]),
    ],
)
def test_limits_of_both_versions(version: int, resources: dict[str, int], expected: list[str]) -> None:
    assert [value for _, _, value in cgroup_layout.limits(version, resources)] == expected


@pytest.mark.parametrize(("shares", "weight"), [(2, 1), (1024, 39), (262_144, 10_000)])
def test_shares_as_a_weight(shares: int, weight: int) -> None:
    assert cgroup_layout.weight(shares) == weight


def pretended_tree(folder: Path) -> Cgroup:
    """Folders as a kernel with v2 would fill them."""
    group = Cgroup(2, dict.fromkeys(cgroup_layout.V2_CONTROLLERS, str(folder)))
    files = {
        "cgroup.procs": "",
        "cgroup.subtree_control": "",
        "cpu.weight": "100",
        "cpu.max": "max 100000",
        "memory.max": "max",
        "memory.oom.group": "0",
        "cpu.stat": "usage_usec 1500\nuser_usec 1000\n",
        "memory.current": "5000\n",
        "memory.stat": "anon 3000\ninactive_file 2000\n",
        "memory.events": "low 0\noom 1\noom_kill 2\n",
    }
    for name, text in files.items():
        (folder / name).write_text(text)
    return group


def test_a_group_of_v2_is_limited_and_read(tmp_path: Path) -> None:
    group = pretended_tree(tmp_path)
    group.make_leaf(RESOURCES)
    assert (tmp_path / "cpu.max").read_text() == "50000 100000"
    assert (tmp_path / "memory.max").read_text().startswith("1048576")
    assert group.usage() == (1_500_000, 3000)
    assert group.out_of_memory_kills() == 2
    group.make()
    assert (tmp_path / "cgroup.subtree_control").read_text() == "+cpu +memory +pids"
    group.join(42)
    assert (tmp_path / "cgroup.procs").read_text() == "42"


def test_a_group_that_lacks_a_file_it_needs_is_no_group(tmp_path: Path) -> None:
    group = pretended_tree(tmp_path)
    (tmp_path / "memory.max").unlink()
    with pytest.raises(OSError, match=r"cannot set memory\.max to 1048576"):
        group.make_leaf(RESOURCES)
    assert cgroup.find(2, dict.fromkeys(cgroup_layout.V2_CONTROLLERS, str(tmp_path / "absent"))) is None
    assert cgroup.find(0, {}) is None


def test_groups_are_removed_with_those_below(tmp_path: Path) -> None:
    group = Cgroup(1, {"cpu": str(tmp_path / "a"), "memory": str(tmp_path / "b")}).child("pod1")
    group.make()
    group.child("c1").make()
    assert (tmp_path / "b" / "pod1" / "c1").is_dir()
    assert group.remove()
    assert not (tmp_path / "a" / "pod1").exists()
    assert group.remove()
