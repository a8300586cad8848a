"""A real cluster for end-to-end tests, driven as a user would: the launcher, kubectl, etcdctl, kl.

With KUBELITE_STORE=etcd in the environment every cluster has members of Debian's etcd instead of ours.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import deploy
from deploy import state
from deploy.identity import Identity
from deploy.layout import LOCAL, PORT_SPAN, Layout
from deploy.processes import processes
from deploy.topology import Topology
from tests.support.wait import until

COMMAND_SECONDS = 120.0
DEFAULT_TOPOLOGY = Path(deploy.__file__).parent / "topology.yaml"
FIRST_BASE, LAST_BASE = 20000, 29000
_claims: list[socket.socket] = []
OTHER_STORE = os.environ.get("KUBELITE_STORE", "")
needs_our_store = pytest.mark.skipif(bool(OTHER_STORE), reason="only our members' links can be cut")


class Cluster:
    """One data dir; `up` and `down` may be called again and again. `prefix` stands before every command:
    `nsenter --net=...` puts the whole cluster and its clients into a network namespace.
    """

    def __init__(self, folder: Path, prefix: Sequence[str] = ()) -> None:
        self._prefix = tuple(prefix)
        self.data_dir = folder / "cluster"
        self.home = folder / "home"
        self.home.mkdir(parents=True, exist_ok=True)
        self.port_base = _free_base()

    @property
    def record(self) -> state.Record:
        record = state.load_record(self.data_dir)
        assert record is not None, "the cluster has never been started"
        return record

    @property
    def layout(self) -> Layout:
        return self.record.layout(self.data_dir)

    @property
    def topology(self) -> Topology:
        return self.record.topology

    @property
    def env(self) -> dict[str, str]:
        """What `source env` gives a shell, with a home of its own so that no cache is shared between runs."""
        lines = self.layout.env.read_text().splitlines()
        pairs = (line.removeprefix("export ").split("=", 1) for line in lines if "PATH=" not in line)
        return {**os.environ, "HOME": str(self.home), **dict(pairs)}

    # The launcher.
    def launcher(self, verb: str, *options: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        if verb == "up" and OTHER_STORE and not (self.data_dir / "cluster.json").exists():
            options = self._on_another_store(options)
        command = [sys.executable, "-P", "-m", "deploy", verb, "--data-dir", str(self.data_dir), *options]
        return _run([*self._prefix, *command], None, check=check)

    def _on_another_store(self, options: tuple[str, ...]) -> tuple[str, ...]:
        """The same options, with a topology that names the store the environment asks for."""
        at = options.index("--topology") if "--topology" in options else len(options)
        given = Path(options[at + 1]) if at < len(options) else DEFAULT_TOPOLOGY
        topology = self.data_dir.parent / "topology-store.yaml"
        topology.write_text(f"{given.read_text()}\nstore: {OTHER_STORE}\n")
        return (*options[:at], "--topology", str(topology), *options[at + 2 :])

    def up(self) -> str:
        return self.launcher("up", "--port-base", str(self.port_base)).stdout

    def down(self, *options: str) -> str:
        return self.launcher("down", *options).stdout

    def start_in_foreground(self) -> subprocess.Popen[str]:
        options: tuple[str, ...] = ("--port-base", str(self.port_base))
        if OTHER_STORE:
            options = self._on_another_store(options)
        command = [sys.executable, "-P", "-m", "deploy", "up", "--foreground"]
        command += ["--data-dir", str(self.data_dir), *options]
        return subprocess.Popen([*self._prefix, *command], stdout=subprocess.PIPE, text=True)

    # The clients.
    def kubectl(self, *words: str, stdin: str | None = None, check: bool = True) -> str:
        return self.run("kubectl", *words, stdin=stdin, check=check).stdout

    def kl(self, *words: str, stdin: str | None = None) -> str:
        return self.run(sys.executable, "-P", "-m", "cli", *words, stdin=stdin).stdout

    def etcdctl(self, *words: str) -> str:
        return self.run("etcdctl", *words).stdout

    def run(
        self, *command: str, stdin: str | None = None, check: bool = True, **env: str
    ) -> subprocess.CompletedProcess[str]:
        return _run([*self._prefix, *command], {**self.env, **env}, stdin=stdin, check=check)

    def json(self, *words: str) -> Any:
        """The answer of a kubectl command as parsed JSON."""
        return json.loads(self.kubectl(*words, "-o", "json"))

    # The processes.
    def running(self) -> dict[str, Identity]:
        """Who lives now, the supervisor and the nursery among them."""
        known = state.load_running(self.data_dir)
        return {name: identity for name, identity in known.items() if identity.is_alive()}

    def pid(self, name: str) -> int:
        return self.running()[name].pid

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> Identity:
        """Signal a process; the answer knows it again."""
        identity = self.running()[name]
        os.kill(identity.pid, number)
        return identity

    def kill_everything(self) -> None:
        """End all at once by force, those first that would start others again."""
        running = self.running()
        for name in sorted(running, key=lambda each: each not in ("supervisor", "nursery")):
            os.kill(running[name].pid, signal.SIGKILL)
        until("all have ended", lambda: not self.running())

    def leader(self) -> str:
        """The name of the member that leads the store."""
        return until("a member of the store leads", self._leader)

    def _leader(self) -> str:
        """The same; empty while they elect one."""
        answer = json.loads(self.etcdctl("endpoint", "status", "-w", "json"))
        leaders = [
            each["Endpoint"]
            for each in answer
            if each["Status"]["leader"] == each["Status"]["header"]["member_id"]
        ]
        ports = {self.layout.etcd_client_port(index): f"etcd-{index}" for index in range(len(answer))}
        return ports[int(leaders[0].rsplit(":", 1)[1])] if leaders else ""

    def leftovers(self) -> list[str]:
        """What a stopped cluster still holds: processes, locks, ports."""
        found = [f"process {name} {identity.pid}" for name, identity in self.running().items()]
        found += [f"process {line}" for line in _processes_of(self.data_dir)]
        if self.layout.run.exists():
            found.append(f"{self.layout.run} holds {[path.name for path in self.layout.run.iterdir()]}")
        record = self.record
        for process in processes(record.topology, self.layout):
            found += [f"port {address}" for address in process.listens if _listens(address)]
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.bind(f"\0kubelite-cluster-{record.number}")
            except OSError:
                found.append(f"cluster number {record.number}")
        return found


def _run(
    command: Sequence[str], env: dict[str, str] | None, *, stdin: str | None = None, check: bool
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        command, env=env, input=stdin, capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False
    )
    assert not check or done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done


def _processes_of(data_dir: Path) -> list[str]:
    """Processes that carry the data dir in their name."""
    titles = {}
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            titles[entry.parent.name] = (
                entry.read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
            )
        except OSError:
            continue
    return [
        f"{pid} {title}"
        for pid, title in titles.items()
        if title.startswith("kubelite ") and str(data_dir) in title
    ]


def _listens(address: tuple[str, int]) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(address) == 0


def _free_base() -> int:
    """A port base with nothing on any of its ports, and nobody's else as long as this process lives."""
    for base in range(FIRST_BASE, LAST_BASE, PORT_SPAN):
        if _claim(base) and not any(_listens((LOCAL, port)) for port in range(base, base + PORT_SPAN)):
            return base
    raise AssertionError("no free ports")


def _claim(base: int) -> bool:
    """Whether this process is the first to take the name of the port base."""
    claim = socket.socket(socket.AF_UNIX)
    try:
        claim.bind(f"\0kubelite-tests-{base}")
    except OSError:
        claim.close()
        return False
    _claims.append(claim)
    return True
