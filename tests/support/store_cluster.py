"""Shell: a store of real member processes on loopback, with certificates of its own, for tests.

    with StoreCluster(folder) as cluster:
        cluster.start()
        cluster.kill(0)

Whatever happens inside the `with`, no process is left behind.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.certificates import make_authority
from tests.support.wait import until

ROOT = Path(__file__).resolve().parent.parent.parent
STOP_SECONDS = 10
OURS = (sys.executable, "-P", "-m", "etcdlite")
DEBIANS = ("etcd",)


def free_ports(count: int) -> list[int]:
    """Ports nobody listens on right now, all different."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()


class StoreCluster:
    """Members that can be started, killed and paused one by one."""

    def __init__(
        self,
        folder: Path,
        size: int = 3,
        flags: tuple[str, ...] = (),
        program: tuple[str, ...] = OURS,
    ) -> None:
        self.folder = folder
        self.size = size
        authority = make_authority(folder)
        self.ca = authority.ca
        self.cert, self.key = authority.pair("member")
        ports = free_ports(3 * size)
        self.endpoints, self.peer_urls, self.metrics_urls = (
            [f"https://127.0.0.1:{port}" for port in ports[at::3]] for at in range(3)
        )
        self._flags = flags
        self._program = program
        self._processes: dict[int, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._processes.values():
            process.kill()
            process.wait()

    def command(self, number: int) -> list[str]:
        """The command line of a member."""
        peers = ",".join(f"m{i}={url}" for i, url in enumerate(self.peer_urls))
        flags = {
            "name": f"m{number}",
            "data-dir": self.folder / f"m{number}",
            "listen-client-urls": self.endpoints[number],
            "advertise-client-urls": self.endpoints[number],
            "listen-peer-urls": self.peer_urls[number],
            "initial-advertise-peer-urls": self.peer_urls[number],
            "initial-cluster": peers,
            "listen-metrics-urls": self.metrics_urls[number],
            "cert-file": self.cert,
            "key-file": self.key,
            "trusted-ca-file": self.ca,
            "peer-cert-file": self.cert,
            "peer-key-file": self.key,
            "peer-trusted-ca-file": self.ca,
        }
        pairs = [f"--{name}={value}" for name, value in flags.items()]
        auth = ["--client-cert-auth", "--peer-client-cert-auth"]
        return [*self._program, *pairs, *auth, *self._flags]

    def start(self, *numbers: int, flags: tuple[str, ...] = ()) -> None:
        """Start these members, or all, with these flags besides."""
        for number in numbers or range(self.size):
            with (self.folder / f"m{number}.log").open("ab") as log:
                self._processes[number] = subprocess.Popen(
                    [*self.command(number), *flags], stderr=log, cwd=ROOT
                )

    def wait_until_started(self) -> None:
        """Return when every member has told the cluster its name."""
        until("all members", lambda: self._started_count() == self.size)

    def _started_count(self) -> int:
        try:
            return self.etcdctl("member", "list").count(", started")
        except AssertionError:
            return 0  # nobody answers yet

    def pid(self, number: int) -> int:
        """The process of a member."""
        return self._processes[number].pid

    def kill(self, *numbers: int) -> None:
        """SIGKILL these members, or all, and wait until they are gone."""
        for number in numbers or tuple(self._processes):
            self._processes[number].kill()
        for number in numbers or tuple(self._processes):
            self._processes[number].wait()

    def terminate(self, number: int) -> int:
        """SIGTERM a member; its exit code."""
        self._processes[number].terminate()
        return self.wait(number)

    def wait(self, number: int) -> int:
        """The exit code of a member that is about to end."""
        return self._processes[number].wait(STOP_SECONDS)

    def pause(self, number: int) -> None:
        """Stop a member where it stands."""
        os.kill(self.pid(number), signal.SIGSTOP)

    def resume(self, number: int) -> None:
        """Let a paused member go on."""
        os.kill(self.pid(number), signal.SIGCONT)

    def log(self, number: int) -> str:
        """What a member wrote to stderr."""
        return (self.folder / f"m{number}.log").read_text()

    def etcdctl(self, *arguments: str, endpoints: str = "", stdin: str | None = None) -> str:
        """What Debian's etcdctl prints; an error if it fails."""
        files = [f"--cacert={self.ca}", f"--cert={self.cert}", f"--key={self.key}"]
        where = f"--endpoints={endpoints or ','.join(self.endpoints)}"
        run = subprocess.run(
            ["etcdctl", where, *files, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            env={**os.environ, "ETCDCTL_API": "3"},
            check=False,
        )
        assert run.returncode == 0, run.stderr
        return run.stdout
