"""Shell: what this machine lets this user do for containers, found out by trying.

python -I -S .../shim/__main__.py abilities <a folder for the trial>  ->  {"has_mounts": ..., ...}
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable

from kubelet.runtime.process.shim import cgroup, cgroup_layout, kernel, network, place, root
from kubelet.runtime.process.shim.loop import Loop

# An address that nobody uses.
TRIAL_ADDRESS = "127.255.255.253"


def abilities(folder: str) -> dict[str, object]:
    """has_mounts: containers have a view of the files of their own. has_redirection: and pods an address.

    cgroup: the group above all pods' ({version, folders}), where there can be one.
    """
    return {
        "has_mounts": _ends_well(lambda: _enter(folder)),
        "has_redirection": kernel.IS_KNOWN_MACHINE and _redirects(),
        "cgroup": _cgroup() if os.geteuid() == 0 else None,
    }


def _cgroup() -> dict[str, object] | None:
    with open("/proc/self/mountinfo") as file:
        version, trees = cgroup_layout.trees(file.read())
    found = cgroup.find(version, trees)
    return found.described() if found else None


def _enter(folder: str) -> None:
    place.unshare_mounts()
    root.enter(folder, [], "", read_only=False, own_processes=False, all_devices=False)


def _ends_well(act: Callable[[], None]) -> bool:
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            act()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def _redirects() -> bool:
    """Let a child bind to any address, and see which one it got."""
    ours, theirs = socket.socketpair()
    with socket.socket() as free:
        free.bind((TRIAL_ADDRESS, 0))
        port: int = free.getsockname()[1]
    pid = os.fork()
    if pid == 0:
        os._exit(_bind_redirected(theirs, port))
    theirs.close()
    _, listeners, _, _ = socket.recv_fds(ours, 1, 1)
    if not listeners:
        os.waitpid(pid, 0)
        return False
    loop, codes = Loop(), []

    def ended(code: int) -> None:
        codes.append(code)
        loop.is_ending = True

    loop.on_exit(pid, ended)
    network.PodNetwork(loop, TRIAL_ADDRESS, 0).serve(listeners[0])
    loop.run()
    return codes == [0]


def _bind_redirected(theirs: socket.socket, port: int) -> int:
    try:
        if not kernel.is_admin():
            kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
        socket.send_fds(theirs, [b"\0"], [network.install()])
        theirs.close()
        with socket.socket() as trial:
            trial.bind(("0.0.0.0", port))
            return 0 if trial.getsockname() == (TRIAL_ADDRESS, port) else 1
    except OSError:
        return 1
