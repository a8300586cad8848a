"""Shell: what a pod's containers share: who the pod is, and its namespaces of processes, names and IPC."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from collections.abc import Iterator

from kubelet.runtime.process.shim import kernel
from kubelet.runtime.process.shim.cgroup import Cgroup
from kubelet.runtime.process.shim.wire import Message


class Surroundings:
    """Of one pod, from the file that its kubelet wrote."""

    def __init__(self, folder: str, facts: Message) -> None:
        self.folder = folder
        self.ip: str = facts["ip"]
        self.hostname: str = facts["hostname"]
        self.host_network: bool = facts["host_network"]
        self.host_pid: bool = facts["host_pid"]
        self.host_ipc: bool = facts["host_ipc"]
        self.port_offset: int = facts["port_offset"]
        self.node_ip: str = facts["node_ip"]
        self.host_ports: list[list[object]] = facts["host_ports"]
        self.has_mounts: bool = facts["has_mounts"]
        self.has_redirection: bool = facts["has_redirection"]
        self.is_admin = kernel.is_admin()
        self._shares_processes: bool = facts["share_process_namespace"]
        groups = facts["cgroup"]
        self.cgroup = Cgroup(groups["version"], groups["folders"]) if groups else None
        self._own_processes = os.open("/proc/self/ns/pid", os.O_RDONLY)
        self._first: int | None = None

    @property
    def has_own_processes(self) -> bool:
        """Whether each container ends as one, with its first process."""
        return self.is_admin and not self.host_pid and not self._shares_processes

    def enter(self) -> None:
        """Make what is the pod's; the shim itself lives in it, and so do all its children."""
        if self.cgroup:
            self.cgroup.make()
        if not self.is_admin:
            return
        if not self.host_ipc:
            kernel.unshare(kernel.CLONE_NEWIPC)
        if not self.host_network:
            kernel.unshare(kernel.CLONE_NEWUTS)
            socket.sethostname(self.hostname)

    @contextlib.contextmanager
    def processes_of_a_new_container(self) -> Iterator[None]:
        """In the block, children are in the process namespace that a new container is to have."""
        if not self.is_admin or self.host_pid:
            yield
            return
        if self._shares_processes:
            with self.processes_beside(self._pause()):
                yield
            return
        kernel.unshare(kernel.CLONE_NEWPID)
        try:
            yield
        finally:
            kernel.setns(self._own_processes, kernel.CLONE_NEWPID)

    @contextlib.contextmanager
    def processes_beside(self, pid: int) -> Iterator[None]:
        """In the block, children are in the process namespace of that process."""
        if not self.is_admin or self.host_pid:
            yield
            return
        theirs = os.open(f"/proc/{pid}/ns/pid", os.O_RDONLY)
        try:
            kernel.setns(theirs, kernel.CLONE_NEWPID)
            yield
        finally:
            kernel.setns(self._own_processes, kernel.CLONE_NEWPID)
            os.close(theirs)

    def _pause(self) -> int:
        """The first process of a namespace that all containers share: it takes in orphans."""
        if self._first is None or not os.path.exists(f"/proc/{self._first}"):
            kernel.unshare(kernel.CLONE_NEWPID)
            self._first = os.fork()
            if self._first == 0:
                _take_in_orphans()
            kernel.setns(self._own_processes, kernel.CLONE_NEWPID)
        return self._first


def _take_in_orphans() -> None:
    """Never returns."""
    signal.set_wakeup_fd(-1)
    # Or a connection that the shim closes would stay open here.
    os.closerange(0, os.sysconf("SC_OPEN_MAX"))
    kernel.set_name("pause")
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        signal.pause()
