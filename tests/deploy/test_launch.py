"""What stands in the way of a start is said in one line, and nothing stays behind."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from click.testing import CliRunner

from deploy import claims, launch, state, stop
from deploy.errors import LaunchError
from deploy.layout import KUBELET_PORT, Layout
from deploy.main import main
from deploy.processes import Process
from deploy.topology import Topology
from kube.base.clock import SystemClock

SMALL = Topology(etcd=1, apiserver=1, controller_manager=0, scheduler=0, nodes=())


@pytest.fixture
def base() -> int:
    """A port base whose first member's client port is free."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return 20000 + port % 9000


def test_a_port_in_use_names_it_its_holder_and_the_way_out(tmp_path: Path, base: int) -> None:
    layout = Layout(tmp_path, base, 0)
    with socket.socket() as squatter:
        squatter.bind(("127.0.0.1", layout.etcd_peer_port(0)))
        squatter.listen()
        with pytest.raises(LaunchError) as caught:
            launch.prepare(tmp_path, base, SMALL, SystemClock())
    text = str(caught.value)
    assert text.startswith(
        f"port {layout.etcd_peer_port(0)} on 127.0.0.1, which etcd-0 needs, is in use by process"
    )
    assert f"by process {os.getpid()} " in text
    assert text.endswith("stop that, or choose other ports with --port-base")
    assert not (tmp_path / "run").exists()


def test_a_port_shared_with_reuseport_counts_as_taken(base: int) -> None:
    process = Process("apiserver-0", "apiserver", (), (("127.0.0.1", base),), "", 1)
    with socket.socket() as squatter:
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        squatter.bind(("127.0.0.1", base))
        squatter.listen()
        with pytest.raises(LaunchError, match=f"port {base} "):
            claims.check_ports([process])


def test_a_full_disk_says_how_much_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "FREE_BYTES_MIN", 1 << 60)
    with pytest.raises(LaunchError, match=r"only \d+ MB are free on the disk of .*--data-dir"):
        launch.prepare(tmp_path, None, SMALL, SystemClock())
    assert not (tmp_path / "run").exists()


def test_a_folder_that_may_not_be_written_is_named() -> None:
    answer = CliRunner().invoke(main, ["up", "--data-dir", "/proc/kubelite"])
    assert answer.exit_code == 1
    assert answer.stderr.startswith("error: /proc/kubelite: ")
    assert len(answer.stderr.splitlines()) == 1


def test_a_mistake_in_the_topology_is_named(tmp_path: Path) -> None:
    topology = tmp_path / "topology.yaml"
    topology.write_text("etcd: {count: lots}\n")
    answer = CliRunner().invoke(main, ["up", "--data-dir", str(tmp_path / "d"), "--topology", str(topology)])
    assert answer.exit_code == 1
    assert answer.stderr == f"error: {topology}: etcd: count must be a number from 0 to 9, not 'lots'\n"


def test_a_number_is_one_clusters(tmp_path: Path) -> None:
    number, claim = claims.claim_any_number("loopback")
    with claim:
        assert claims.claim_number(number) is None
        state.save_record(tmp_path, state.Record(number, 20000, SMALL))
        with pytest.raises(LaunchError, match=f"the addresses of cluster number {number} are in use"):
            launch.prepare(tmp_path, None, None, SystemClock())


def test_a_number_whose_addresses_somebody_uses_is_passed_over() -> None:
    number, claim = claims.claim_any_number("loopback")
    claim.close()
    with socket.socket() as orphan:
        orphan.bind((f"127.{16 + number}.0.1", KUBELET_PORT))
        orphan.listen()
        other, claim = claims.claim_any_number("loopback")
    claim.close()
    assert other != number


def test_the_members_of_a_store_stay_as_many(tmp_path: Path) -> None:
    state.save_record(tmp_path, state.Record(0, 20000, SMALL))
    three = Topology(etcd=3, apiserver=1, controller_manager=0, scheduler=0, nodes=())
    with pytest.raises(LaunchError, match="has 1 members, not 3"):
        launch.prepare(tmp_path, None, three, SystemClock())


def test_a_record_comes_back_as_it_was(tmp_path: Path) -> None:
    flags = {"kubelet": {"container-runtime": "fake"}, "etcd": {"snapshot-count": "10"}}
    record = state.Record(
        4,
        7000,
        Topology(etcd=3, apiserver=2, controller_manager=1, scheduler=1, nodes=("a", "b"), flags=flags),
    )
    state.save_record(tmp_path, record)
    assert state.load_record(tmp_path) == record


def test_wiping_removes_a_clusters_files_and_no_others(tmp_path: Path) -> None:
    data_dir = tmp_path / "d"
    for folder in ("pki", "logs", "audit", "volumes", "etcd-0", "etcd-1"):
        (data_dir / folder).mkdir(parents=True)
    (data_dir / "mine.txt").touch()
    with pytest.raises(LaunchError, match="holds no cluster"):
        stop.wipe(data_dir)
    (data_dir / "cluster.json").touch()
    stop.wipe(data_dir)
    assert [path.name for path in data_dir.iterdir()] == ["mine.txt"]
    (data_dir / "mine.txt").unlink()
    stop.wipe(data_dir)
    assert not data_dir.exists()


def test_down_where_nothing_runs_says_so(tmp_path: Path) -> None:
    answer = CliRunner().invoke(main, ["down", "--data-dir", str(tmp_path)])
    assert (answer.exit_code, answer.stdout) == (0, f"Nothing runs for {tmp_path}.\n")
