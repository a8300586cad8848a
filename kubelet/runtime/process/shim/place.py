"""Shell: where a container's processes live: namespaces, files, cgroup: what is one besides processes.

root:     namespaces of mounts and processes a container (or a pod), of names and IPC a pod; a cgroup
others:   namespaces of users and mounts, where the machine allows them
neither:  nothing but a process group; its volumes are links in the folder that KUBELITE_MOUNTS names
"""

from __future__ import annotations

import contextlib
import os
import pwd
import signal
import socket
from collections.abc import Callable, Mapping, Sequence

from kubelet.runtime.process.shim import kernel, processes, root
from kubelet.runtime.process.shim.launch import DEFAULT_PATH, Launch, Spawned, spawn
from kubelet.runtime.process.shim.network import PodNetwork
from kubelet.runtime.process.shim.surroundings import Surroundings
from kubelet.runtime.process.shim.wire import Message

MOUNTS_VARIABLE = "KUBELITE_MOUNTS"
# Columns and rows of a container's terminal, until a client with a window is attached.
WINDOW = (80, 24)


class Place:
    """Of one container, by its config (as kubelet.runtime.interface.ContainerConfig, in JSON)."""

    def __init__(
        self,
        surroundings: Surroundings,
        network: PodNetwork | None,
        container_id: str,
        config: Message,
    ) -> None:
        self._pod, self._network, self._config = surroundings, network, config
        self._folder = os.path.join(surroundings.folder, f"{container_id}.root")
        self._cgroup = surroundings.cgroup.child(container_id) if surroundings.cgroup else None

    def make(self) -> None:
        """What must be there before the first process."""
        os.makedirs(self._folder, exist_ok=True)
        if self._cgroup:
            self._cgroup.make_leaf(self._config["resources"])
        if not self._pod.has_mounts:
            self._link_volumes()

    def remove(self) -> None:
        """What is there after the last one."""
        for folder, folders, links in os.walk(self._folder, topdown=False):
            # Links to folders are told among these; none is followed.
            for name in (*links, *folders):
                _remove(os.path.join(folder, name))
        _remove(self._folder)
        if self._cgroup:
            self._cgroup.remove()

    def start(self, stdio: Sequence[int]) -> Spawned:
        """The container's first process."""
        argv = [*self._config["command"], *self._config["args"]]
        with self._pod.processes_of_a_new_container():
            return self._spawn(
                self._launch(argv, self._enter, WINDOW if self._config["is_terminal"] else None), stdio
            )

    def execute(
        self, beside: int, argv: Sequence[str], stdio: Sequence[int], window: Sequence[int] | None
    ) -> Spawned:
        """A command in the namespaces of the first process."""
        launch = self._launch(argv, lambda: self._join(beside), window)
        with self._pod.processes_beside(beside):
            return self._spawn(launch, stdio)

    def kill(self, first: int) -> None:
        """Whatever is left of the container; with a process namespace of its own, the kernel has done it."""
        if self._pod.has_own_processes:
            return
        if self._cgroup:
            self._cgroup.kill()
        with contextlib.suppress(OSError):
            os.killpg(first, signal.SIGKILL)

    def limit(self, resources: Mapping[str, int]) -> None:
        if self._cgroup:
            self._cgroup.limit(resources)

    def out_of_memory_kills(self) -> int:
        return self._cgroup.out_of_memory_kills() if self._cgroup else 0

    def usage(self, first: int) -> tuple[int, int]:
        """Processor time in nanoseconds, and bytes of memory."""
        return self._cgroup.usage() if self._cgroup else processes.usage(first)

    def _spawn(self, launch: Launch, stdio: Sequence[int]) -> Spawned:
        spawned = spawn(launch, stdio)
        if spawned.listener is not None and self._network:
            self._network.serve(spawned.listener)
        return spawned

    def _launch(self, argv: Sequence[str], enter: Callable[[], None], window: Sequence[int] | None) -> Launch:
        return Launch(
            argv,
            self._environment(is_terminal=window is not None),
            self._config["working_dir"] or "/",
            self._config["security"],
            window=window,
            is_redirected=self._network is not None,
            # In a user namespace there is only one user.
            can_be_anybody=os.geteuid() == 0 and (self._pod.is_admin or not self._pod.has_mounts),
            cgroup=self._cgroup,
            oom_score_adj=self._config["resources"]["oom_score_adj"],
            enter=enter,
        )

    def _environment(self, *, is_terminal: bool) -> dict[str, str]:
        """What an image would have said, then what the pod says."""
        usual = {
            "PATH": _path(),
            "HOSTNAME": self._pod.hostname,
            "HOME": self._home(),
        }
        usual |= {"TERM": "xterm"} if is_terminal else {}
        usual |= {} if self._pod.has_mounts else {MOUNTS_VARIABLE: self._folder}
        return {**usual, **self._config["environment"]}

    def _home(self) -> str:
        uid = self._config["security"]["run_as_user"]
        try:
            return pwd.getpwuid(os.geteuid() if uid is None else uid).pw_dir
        except KeyError:
            return "/"

    def _enter(self) -> None:
        if not self._pod.has_mounts:
            return
        unshare_mounts()
        if not self._pod.is_admin:
            # As root the whole pod has been given one.
            self._take_name()
        security = self._config["security"]
        root.enter(
            self._folder,
            [root.Mount(**each) for each in self._config["mounts"]],
            self._config["working_dir"],
            read_only=security["read_only_rootfs"],
            own_processes=self._pod.is_admin and not self._pod.host_pid,
            all_devices=security["privileged"] and self._pod.is_admin,
        )

    def _take_name(self) -> None:
        kernel.unshare(kernel.CLONE_NEWUTS)
        if not self._pod.host_network:
            socket.sethostname(self._pod.hostname)

    def _join(self, beside: int) -> None:
        if not self._pod.has_mounts:
            return
        kinds = {"mnt": kernel.CLONE_NEWNS}
        if not self._pod.is_admin:
            kinds = {"user": kernel.CLONE_NEWUSER, "uts": kernel.CLONE_NEWUTS, **kinds}
        opened = {kind: os.open(f"/proc/{beside}/ns/{name}", os.O_RDONLY) for name, kind in kinds.items()}
        for kind, descriptor in opened.items():
            kernel.setns(descriptor, kind)
            os.close(descriptor)

    def _link_volumes(self) -> None:
        for mount in self._config["mounts"]:
            link = os.path.join(self._folder, mount["container_path"].strip("/"))
            os.makedirs(os.path.dirname(link), exist_ok=True)
            os.symlink(mount["host_path"], link)


def _remove(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        if os.path.islink(path):
            os.unlink(path)
        else:
            os.rmdir(path)


def _path() -> str:
    """The machine is the image: its programs are found as the kubelet finds them."""
    folders = [*os.environ.get("PATH", "").split(":"), *DEFAULT_PATH.split(":")]
    return ":".join(dict.fromkeys(folder for folder in folders if folder))


def unshare_mounts() -> None:
    """A view of the files of this process's own; as the same user, with the right to mount in it."""
    if kernel.is_admin():
        kernel.unshare(kernel.CLONE_NEWNS)
        return
    uid, gid = os.geteuid(), os.getegid()
    kernel.unshare(kernel.CLONE_NEWUSER | kernel.CLONE_NEWNS)
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)
