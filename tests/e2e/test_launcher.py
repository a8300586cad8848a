"""The launcher: what its commands say, and that they leave nothing behind."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.cluster import Cluster

pytestmark = pytest.mark.e2e
PROJECT = Path(__file__).parents[2]


def test_up_twice_says_so_and_harms_nothing(cluster: Cluster) -> None:
    before = cluster.running()
    said = cluster.up()
    assert f"The cluster in {cluster.data_dir} is already running.\n" in said
    assert f"source {cluster.layout.env}\n" in said
    assert cluster.running() == before


def test_the_scripts_work_from_any_folder(cluster: Cluster, tmp_path: Path) -> None:
    command = [str(PROJECT / "deploy" / "up"), "--data-dir", str(cluster.data_dir)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "is already running" in done.stdout
    # A shell that sources env has the three clients.
    shell = f". {cluster.layout.env} && kubectl get nodes -o name && kl get nodes -o name && etcdctl get x"
    command = ["sh", "-ec", shell]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.stdout.split() == [f"node/node{number}" for number in (1, 2, 3)] * 2


def test_status_shows_processes_and_members(cluster: Cluster) -> None:
    said = cluster.kl("cluster", "status", "--data-dir", str(cluster.data_dir))
    running = cluster.running()
    for name in running.keys() - {"supervisor", "nursery"}:
        row = next(line.split() for line in said.splitlines() if line.startswith(f"{name} "))
        assert row[2:4] == ["Running", str(running[name].pid)]
    members = [line.split()[1] for line in said.splitlines() if "https://127.0.0.1:" in line]
    assert sorted(members) == ["follower", "follower", "leader"]


def test_two_clusters_stand_side_by_side(cluster: Cluster, own_cluster: Cluster) -> None:
    assert cluster.layout.number != own_cluster.layout.number
    own_cluster.kubectl("create", "configmap", "mine")
    assert "mine" not in cluster.kubectl("get", "configmaps", "-o", "name")


def test_down_leaves_nothing_and_up_finds_everything(own_cluster: Cluster) -> None:
    own_cluster.kubectl("create", "configmap", "kept")
    assert own_cluster.down() == "Everything has been stopped.\n"
    assert own_cluster.leftovers() == []
    own_cluster.up()
    assert "configmap/kept" in own_cluster.kubectl("get", "configmaps", "-o", "name")


def test_wipe_removes_the_data(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path)
    cluster.up()
    cluster.down("--wipe")
    assert not cluster.data_dir.exists()


def test_what_had_started_is_stopped_when_one_cannot_start(tmp_path: Path) -> None:
    topology = tmp_path / "topology.yaml"
    topology.write_text("etcd: {count: 1}\nscheduler: {count: 1, flags: {tls-cert-file: /nowhere}}\n")
    cluster = Cluster(tmp_path)
    base = ("--port-base", str(cluster.port_base))
    done = cluster.launcher("up", *base, "--topology", str(topology), check=False)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: scheduler-0 cannot start: error: ")
    assert "/nowhere" in line
    assert cluster.leftovers() == []


def test_a_port_in_use_starts_nothing(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path)
    # As any server binds: connections of an earlier cluster may linger there (TIME_WAIT).
    with socket.create_server(("127.0.0.1", cluster.port_base + 3)):
        done = cluster.launcher("up", "--port-base", str(cluster.port_base), check=False)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(
        f"error: port {cluster.port_base + 3} on 127.0.0.1, which apiserver-0 needs, is in use"
    )
    assert not (cluster.data_dir / "run").exists()


def test_foreground_ends_with_its_terminal(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path)
    process = cluster.start_in_foreground()
    with process:
        assert process.stdout is not None
        for line in process.stdout:
            if "source " in line:
                break
        process.terminate()
        process.communicate(timeout=60)
    assert process.returncode == 0
    assert cluster.leftovers() == []


def test_mistakes_are_one_line_that_names_what_there_is(cluster: Cluster) -> None:
    mistakes = {
        ("kill", "etcd-7"): "error: no process etcd-7; this cluster has etcd-0, etcd-1, etcd-2, apiserver-0",
        ("resume", "etcd-0"): "error: etcd-0 is not paused",
        ("partition", "etcd-0", "apiserver-0"): "error: apiserver-0: only links between members of the store",
        ("partition", "etcd-0", "etcd-0"): "error: etcd-0: stands on both sides",
        ("logs", "etcd-7"): "error: no log of etcd-7 in ",
        (
            "kill",
            "etcd-0",
            "--data-dir",
            "/nowhere",
        ): "error: no supervisor answers for /nowhere: start the cluster",
    }
    for words, expected in mistakes.items():
        done = cluster.run(sys.executable, "-P", "-m", "cli", "cluster", *words, check=False)
        assert done.returncode == 1
        (line,) = done.stderr.splitlines()
        assert line.startswith(expected)


def test_logs_of_all_are_followed(cluster: Cluster) -> None:
    lines = cluster.kl("cluster", "logs", "--tail", "1").splitlines()
    assert {line.split()[0] for line in lines} >= {"etcd-0", "apiserver-0", "supervisor"}
    log = cluster.data_dir / "logs" / "probe.log"
    log.write_text("time=2030-01-01 msg=first\n")
    command = [sys.executable, "-P", "-m", "cli", "cluster", "logs", "-f", "--tail", "1", "probe"]
    following = subprocess.Popen(command, env=cluster.env, stdout=subprocess.PIPE, text=True)
    with following, log.open("a", buffering=1) as more:
        assert following.stdout is not None
        assert following.stdout.readline() == "probe  time=2030-01-01 msg=first\n"
        more.write("time=2030-01-02 msg=second\n")
        assert following.stdout.readline() == "probe  time=2030-01-02 msg=second\n"
        following.send_signal(signal.SIGINT)
        assert following.wait(60) == 0
