"""Shell: the shim: a process that owns one pod, started by a kubelet and living on without it.

    python -I -S .../shim/__main__.py kubelite shim <folder of the pod> <namespace/name of the pod>

It returns when the shim behind it listens on `shim.sock` in the folder; `shim.json` there says which process
that is. SIGTERM ends the pod.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys
import time

# -I and -S, for a light start: the way to our own packages is told here.
sys.path.insert(0, os.path.abspath(os.path.join(os.path.dirname(__file__), *[os.pardir] * 4)))

from kubelet.runtime.process.shim import host_ports, kernel
from kubelet.runtime.process.shim.abilities import abilities
from kubelet.runtime.process.shim.loop import READABLE, Loop
from kubelet.runtime.process.shim.pod import Pod
from kubelet.runtime.process.shim.surroundings import Surroundings
from kubelet.runtime.process.shim.wire import Peer

SOCKET, FACTS, IDENTITY = "shim.sock", "sandbox.json", "shim.json"
# As containerd's shims.
OOM_SCORE_ADJ = "-998"


def main() -> None:
    """See the module."""
    if sys.argv[1] == "abilities":
        sys.stdout.write(json.dumps(abilities(sys.argv[2])))
        return
    folder = sys.argv[3]
    # The folder is the working folder, so that no path is too long for a socket.
    os.chdir(folder)
    with open(FACTS) as file:
        surroundings = Surroundings(folder, json.load(file))
    listener = _listen()
    surroundings.enter()
    ports = host_ports.listen(surroundings.host_ports, surroundings.node_ip, surroundings.port_offset)
    if pid := os.fork():
        _write_identity(pid)
        os._exit(0)
    os.setsid()
    os.umask(0o022)
    # The last to go when memory is short, if this user may say so: with it goes the pod.
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:
        score.write(OOM_SCORE_ADJ)
    kernel.set_name("kubelite-shim")
    kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)
    loop = Loop()
    for listening, port in ports:
        host_ports.carry(loop, listening, (surroundings.ip, port))
    _serve(loop, surroundings, listener)


def _serve(loop: Loop, surroundings: Surroundings, listener: socket.socket) -> None:
    pod = Pod(loop, surroundings, time.time_ns)
    signal.signal(signal.SIGTERM, lambda *_: loop.call_later(0, pod.end))
    # Control-C on a terminal is not for us, nor is the end of that terminal.
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)

    def accept(_: int) -> None:
        Peer(loop, listener.accept()[0], pod.serve)

    loop.watch(listener.fileno(), READABLE, accept)
    loop.run()


def _listen() -> socket.socket:
    if os.path.exists(SOCKET):
        os.unlink(SOCKET)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(SOCKET)
    os.chmod(SOCKET, 0o600)
    listener.listen()
    return listener


def _write_identity(pid: int) -> None:
    """Whom `deploy/down` ends: a process is known by its pid and the moment it started."""
    with open(f"/proc/{pid}/stat") as stat:
        started = int(stat.read().rpartition(") ")[2].split()[19])
    with open(f"{IDENTITY}.new", "w") as file:
        json.dump({"pid": pid, "started": started}, file)
    os.replace(f"{IDENTITY}.new", IDENTITY)


if __name__ == "__main__":
    main()
