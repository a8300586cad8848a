"""Docker Engine for tests: a dockerd in a network namespace of its own, with registries on its loopback.

    with running(tmp_path) as engine:
        topology.write_text(engine.topology("docker1"))          # one node, `runtime: docker`, and the rest
        cluster = Cluster(tmp_path, prefix=engine.namespace.prefix)
        cluster.launcher("up", "--port-base", str(cluster.port_base), "--topology", str(topology))
        cluster.kubectl("run", "web", f"--image={IMAGE}", "--", "httpd", "-f", "-p", "8080")
        cluster.run("curl", ...)                            # Cluster runs all its commands in the namespace
        with engine.namespace.entered():                    # as are sockets and processes made in here
            urlopen("http://172.17.0.2:8080")
        engine.kill(); engine.launch()                           # kill -9 of dockerd, and its return
        cluster.down("--wipe")

Everything started is ended, and nothing stays mounted, also after a failure. What containers write lies in
the folder; no image comes from outside: busybox is imported, and pushed to the registries.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import socket
import subprocess
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.support.debian import environment, program
from tests.support.namespace import Namespace
from tests.support.wait import until

# On the engine from the start; another like it stands in the registries as PULLED and PROTECTED.
IMAGE = "busybox:1"
REGISTRY, PROTECTED_REGISTRY = "127.0.0.1:5000", "127.0.0.1:5001"
PULLED, PROTECTED = f"{REGISTRY}/busybox:1", f"{PROTECTED_REGISTRY}/busybox:1"
ABSENT, WRONG_TAG = f"{REGISTRY}/absent:1", f"{REGISTRY}/busybox:2"
# Nobody listens there.
NO_REGISTRY = "127.0.0.1:5999/busybox:1"
USER, PASSWORD = "kubelite", "secret"
# bcrypt of PASSWORD, the one form that the registry reads.
HTPASSWD = f"{USER}:$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n"
CGROUPS = Path("/sys/fs/cgroup")


class Engine:
    """See the module."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "engine"
        self.folder.mkdir(parents=True)
        self.namespace = Namespace(self.folder)
        self._cgroup = f"kubelite-{os.getpid()}-{self.folder.stat().st_ino}"
        self._socket = self.folder / "docker.sock"
        self._containerd_socket = self.folder / "containerd.sock"
        self._daemon: subprocess.Popen[bytes] | None = None
        self._others: list[subprocess.Popen[bytes]] = []

    @property
    def endpoint(self) -> str:
        """What `--container-runtime-endpoint` and DOCKER_HOST take."""
        return f"unix://{self._socket}"

    def topology(self, *nodes: str) -> str:
        """A topology with one of everything and Docker nodes."""
        flags = {"container-runtime-endpoint": self.endpoint}
        kubelet = {"nodes": [{"name": node, "runtime": "docker", "flags": flags} for node in nodes]}
        components = ("etcd", "apiserver", "controller-manager", "scheduler", "proxy")
        return json.dumps({**{each: {"count": 1} for each in components}, "kubelet": kubelet})

    def docker(self, *words: str, stdin: bytes | None = None, check: bool = True) -> str:
        """Docker's own command line."""
        command = [program("docker"), "--host", self.endpoint, *words]
        done = subprocess.run(command, input=stdin, capture_output=True, env=self._env(), check=False)
        assert not check or done.returncode == 0, f"{' '.join(command)}\n{done.stderr.decode()}"
        return done.stdout.decode().strip()

    def inspect(self, container: str) -> Any:
        return json.loads(self.docker("inspect", container))[0]

    def launch(self, *options: str) -> None:
        """Start the daemon and wait until it answers."""
        command = ["dockerd", "--host", self.endpoint, "--containerd", str(self._containerd_socket), *options]
        for flag, name in (("data-root", "data"), ("exec-root", "exec"), ("pidfile", "docker.pid")):
            command += [f"--{flag}", str(self.folder / name)]
        # Nothing is to be forwarded or masked, so dockerd leaves the kernel's tables alone.
        command += ["--iptables=false", "--ip6tables=false", "--ip-masq=false"]
        command += ["--cgroup-parent", f"/{self._cgroup}"]
        self._daemon = self._start("dockerd", command)
        until("dockerd answers", self._answers)

    def kill(self) -> None:
        """kill -9 of the daemon alone; its containers are left to themselves until it is back."""
        assert self._daemon is not None
        self._daemon.kill()
        self._daemon.wait()

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """The daemon stands still for the block: its socket takes connections, and nobody answers."""
        assert self._daemon is not None
        self._daemon.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._daemon.send_signal(signal.SIGCONT)

    def start(self) -> None:
        """Everything, in order."""
        self._start_containerd()
        self.launch()
        self._start_registry(REGISTRY)
        self._start_registry(PROTECTED_REGISTRY, auth=True)
        for image in (IMAGE, PULLED):
            changes = ("--change", 'CMD ["sh"]', "--change", f"LABEL name={image}")
            self.docker("import", *changes, "-", image, stdin=busybox_root())
        self.docker("push", PULLED)
        self.docker("rmi", PULLED)

    def stop(self) -> None:
        """End containers, processes and mounts, whatever state they are in."""
        if self._daemon is not None and self._daemon.poll() is None:
            if containers := self.docker("ps", "--all", "--quiet", check=False).split():
                self.docker("rm", "--force", *containers, check=False)
            self._daemon.terminate()
            self._daemon.wait()
        for process in self._others:
            process.terminate()
            process.wait()
        self._end_containers()
        self.namespace.close()
        for mount in reversed(_mounts_below(self.folder)):
            subprocess.run(["umount", "--lazy", mount], check=True)

    def _answers(self) -> bool:
        assert self._daemon is not None
        assert self._daemon.poll() is None, (self.folder / "dockerd.log").read_text()[-2000:]
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self._socket)) == 0 and bool(
                self.docker("version", "--format", "{{.Server.Version}}", check=False)
            )

    def _start_containerd(self) -> None:
        """Beside the daemon and not below it, as distributions have it: it outlives the daemon."""
        command = ["containerd", "--address", str(self._containerd_socket)]
        command += ["--root", str(self.folder / "containerd"), "--state", str(self.folder / "state")]
        self._others.append(self._start("containerd", command))
        until("containerd answers", self._containerd_socket.exists)

    def _start_registry(self, address: str, *, auth: bool = False) -> None:
        """A registry; both have the same storage."""
        config: dict[str, Any] = {
            "version": 0.1,
            "storage": {"filesystem": {"rootdirectory": str(self.folder / "registry")}},
            "http": {"addr": address},
            "log": {"accesslog": {"disabled": True}, "level": "warn"},
        }
        if auth:
            (self.folder / "htpasswd").write_text(HTPASSWD)
            config["auth"] = {"htpasswd": {"realm": "test", "path": str(self.folder / "htpasswd")}}
        path = self.folder / f"registry-{address}.json"
        path.write_text(json.dumps(config))
        self._others.append(self._start(f"registry-{address}", ["docker-registry", "serve", str(path)]))
        with self.namespace.entered():
            until("the registry answers", lambda: _connects(address))

    def _start(self, name: str, command: Sequence[str]) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                [*self.namespace.prefix, program(command[0]), *command[1:]],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._env(),
                start_new_session=True,
            )

    def _env(self) -> dict[str, str]:
        return {**environment(), "HOME": str(self.folder), "OTEL_TRACES_EXPORTER": "none"}

    def _end_containers(self) -> None:
        """By their cgroups, where dockerd could not."""
        folders = [*CGROUPS.glob(f"*/{self._cgroup}"), *CGROUPS.glob(self._cgroup)]
        for folder in folders:
            for procs in folder.rglob("cgroup.procs"):
                for pid in procs.read_text().split():
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(int(pid), signal.SIGKILL)
        for folder in folders:
            until(f"{folder} is empty", lambda folder=folder: _remove_cgroup(folder))


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Engine]:
    """An engine for the block."""
    engine = Engine(folder)
    engine.namespace.open()
    try:
        engine.start()
        yield engine
    finally:
        engine.stop()


def busybox_root() -> bytes:
    """A root file system as a tar: busybox by all its names, a root user and a nobody."""
    binary = Path(program("busybox"))
    names = subprocess.run([binary, "--list"], capture_output=True, text=True, check=True).stdout.split()
    files = {
        "etc/passwd": b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
        "etc/group": b"root:x:0:\nnogroup:x:65534:\n",
        "bin/busybox": binary.read_bytes(),
    }
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for folder, mode in (("bin", 0o755), ("etc", 0o755), ("root", 0o700), ("tmp", 0o1777)):
            tar.addfile(_entry(folder, tarfile.DIRTYPE, mode))
        for name, content in files.items():
            entry = _entry(name, tarfile.REGTYPE, 0o755 if name.startswith("bin/") else 0o644)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
        for name in names:
            if name != "busybox":
                entry = _entry(f"bin/{name}", tarfile.SYMTYPE, 0o777)
                entry.linkname = "busybox"
                tar.addfile(entry)
    return buffer.getvalue()


def _entry(name: str, kind: bytes, mode: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode = kind, mode
    return entry


def _connects(address: str) -> bool:
    host, port = address.split(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0


def _remove_cgroup(folder: Path) -> bool:
    """Remove it, deepest first; False while a process that is ending is still in it."""
    try:
        for each in sorted((path for path in folder.rglob("*") if path.is_dir()), reverse=True):
            each.rmdir()
        folder.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _mounts_below(folder: Path) -> list[str]:
    lines = Path("/proc/self/mounts").read_text().splitlines()
    points = (line.split()[1] for line in lines)
    return [point for point in points if point.startswith(f"{folder}/")]
