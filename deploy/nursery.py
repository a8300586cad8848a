"""Shell: the process that all components are forked from.

A dozen Python interpreters that each import gRPC and a web server cost seconds and hundreds of megabytes.
The nursery imports a component's `main` when it is first asked for one and forks; the child calls that
`main` with its arguments, as `python -P -m <package>` would, or becomes the program it is said to be. So all
share what was imported, and the store's members, asked for first, start while the rest is still being
imported.

It speaks JSON lines over the socket it was started with (its standard input):

    -> {"name": "etcd-0", "title": "...", "module": "etcdlite", "isProgram": false, "args": [...],
        "shared": null, "log": "/.../etcd-0.log"}
    <- {"started": "etcd-0", "pid": 4711}
    <- {"ended": "etcd-0", "pid": 4711, "code": 0}          below zero: the signal that ended it
    -> {"endChildren": true}

The first nursery of a cluster is forked by the launcher itself, whose modules are the components' modules for
a good part: so the supervisor, the nursery and everything it forks share them, and it need not import them
again. One that takes the place of a lost nursery is a program of its own.

At the end of the socket the nursery ends. Its children go on (init takes them, a later supervisor adopts
them), unless it was told to end them then.

Children that share an address inherit one socket for it: their connections wait in one queue, from which
whoever is at leisure takes them, so that one who stands still keeps nobody waiting. A child says when it is
to listen; when the last of them has ended it listens no more, and who connects is refused at once.

Invariants: one thread and no event loop, checked before each fork: whatever another thread held locked then
would stay locked in the child for ever. Modules are imported, never used: gRPC would not outlive a fork.
Absent: decisions. When to start what again is the supervisor's affair.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import selectors
import signal
import socket
import sys
import traceback
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import setproctitle

RECEIVE_BYTES = 65536
GRACE_SECONDS = 5.0


class Shared:
    """A socket that several children inherit; `pids` are those that live."""

    def __init__(self, host: str, port: int) -> None:
        self.pids: set[int] = set()
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            # Beside those that children of a lost nursery still have.
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            self.socket.bind((host, port))
        except OSError:
            self.socket.close()
            raise

    def end(self, pid: int) -> None:
        """A child has ended; the last one takes those that wait along."""
        if pid in self.pids:
            self.pids.remove(pid)
            if not self.pids:
                with contextlib.suppress(OSError):
                    self.socket.shutdown(socket.SHUT_RD)


class Nursery:
    """Forks on request and reports ends; `_children` maps each living child's pidfd to its name and pid."""

    def __init__(self, supervisor: socket.socket) -> None:
        self._end_children = False
        self._supervisor = supervisor
        self._selector = selectors.DefaultSelector()
        self._selector.register(supervisor, selectors.EVENT_READ)
        self._children: dict[int, tuple[str, int]] = {}
        self._shared: dict[tuple[str, int], Shared] = {}
        self._received = b""

    def serve(self) -> None:
        """Handle requests and ends until the supervisor is gone."""
        while True:
            for key, _ in self._selector.select():
                if key.fd in self._children:
                    self._report_end(key.fd)
                elif not self._receive():
                    self._finish()
                    return

    def _finish(self) -> None:
        """End what shall not outlive the nursery: politely, then by force."""
        self._selector.unregister(self._supervisor)
        for number in (signal.SIGTERM, signal.SIGKILL) if self._end_children else ():
            for _, pid in self._children.values():
                os.kill(pid, number)
            while self._children and (ended := self._selector.select(GRACE_SECONDS)):
                for key, _ in ended:
                    self._report_end(key.fd)

    def _receive(self) -> bool:
        """Take what has arrived and serve whole lines; False at the end of the socket."""
        data = self._supervisor.recv(RECEIVE_BYTES)
        *lines, self._received = (self._received + data).split(b"\n")
        for request in map(json.loads, lines):
            if "endChildren" in request:
                self._end_children = True
            else:
                self._start(request)
        return bool(data)

    def _start(self, request: dict[str, Any]) -> None:
        if not request["isProgram"]:
            _import(request["module"])
        threads = os.listdir("/proc/self/task")
        assert len(threads) == 1, f"{len(threads)} threads in the nursery: a fork could hang"
        shared = self._shared_socket(request["shared"])
        pid = os.fork()
        if pid == 0:
            self._close(shared)
            _be_component(request, shared)
        if shared is not None:
            shared.pids.add(pid)
        pidfd = os.pidfd_open(pid)
        self._children[pidfd] = (request["name"], pid)
        self._selector.register(pidfd, selectors.EVENT_READ)
        self._say({"started": request["name"], "pid": pid})

    def _report_end(self, pidfd: int) -> None:
        name, pid = self._children.pop(pidfd)
        self._selector.unregister(pidfd)
        os.close(pidfd)
        _, status = os.waitpid(pid, 0)
        for shared in self._shared.values():
            shared.end(pid)
        self._say({"ended": name, "pid": pid, "code": os.waitstatus_to_exitcode(status)})

    def _say(self, message: dict[str, Any]) -> None:
        with contextlib.suppress(ConnectionError):
            self._supervisor.sendall(json.dumps(message).encode() + b"\n")

    def _shared_socket(self, address: Sequence[Any] | None) -> Shared | None:
        """The socket for an address; None where it cannot be had: the child then says why."""
        if address is None:
            return None
        host, port = address
        if (host, port) not in self._shared:
            try:
                self._shared[host, port] = Shared(host, port)
            except OSError:
                return None
        return self._shared[host, port]

    def _close(self, kept: Shared | None) -> None:
        """In a child: close what is the nursery's, so that nothing closes a reused descriptor later."""
        for shared in self._shared.values():
            if shared is not kept:
                shared.socket.close()
        self._selector.close()
        self._supervisor.close()
        for pidfd in self._children:
            os.close(pidfd)


def _import(package: str) -> None:
    """Import a component's main for all children to come; what cannot be imported is told by its child."""
    with contextlib.suppress(Exception):
        importlib.import_module(f"{package}.main")
    # What stands in memory now is not garbage: a collection in a child would copy every page of it.
    gc.collect()
    gc.freeze()


def _be_component(request: dict[str, Any], shared: Shared | None) -> NoReturn:
    """In a child: become the component and end with its exit code."""
    code = 1
    try:
        os.setsid()
        _redirect(Path(request["log"]))
        setproctitle.setproctitle(request["title"])
        if request["isProgram"]:
            # Its title stands where its name would.
            os.execvp(request["module"], [request["title"], *request["args"]])
        signal.signal(signal.SIGINT, signal.default_int_handler)
        main = importlib.import_module(f"{request['module']}.main").main
        descriptor = [f"--shared-fd={shared.socket.detach()}"] if shared else []
        main(args=[*request["args"], *descriptor], prog_name=request["module"])
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 -- the child must never return into the nursery's loop
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        # Not sys.exit: the nursery's own exit handlers and open frames are not this process's affair.
        os._exit(code)


def _redirect(log: Path) -> None:
    """Standard input from nothing, output and errors to the log."""
    log.parent.mkdir(parents=True, exist_ok=True)
    nothing = os.open(os.devnull, os.O_RDONLY)
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for source, target in ((nothing, 0), (out, 1), (out, 2)):
        os.dup2(source, target)
    os.close(nothing)
    os.close(out)


def fork(title: str, log: Path, foreign: Iterable[int]) -> tuple[int, socket.socket]:
    """A nursery forked from this process, which may have neither threads nor a loop: its pid, and its socket.

    It closes the descriptors in `foreign`, and keeps what else is open.
    """
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        try:
            os.setsid()
            for descriptor in (ours.fileno(), *foreign):
                os.close(descriptor)
            _redirect(log)
            _serve(title, theirs)
        finally:
            os._exit(0)
    theirs.close()
    return pid, ours


def main() -> None:
    """Serve; started by the supervisor with the socket as standard input."""
    # The descriptor moves away from 0, which the children need for /dev/null.
    supervisor = socket.socket(fileno=os.dup(0))
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    _serve(sys.argv[1], supervisor)


def _serve(title: str, supervisor: socket.socket) -> None:
    setproctitle.setproctitle(title)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Read when a component imports numpy or the like: its threads would be copied by no fork.
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    Nursery(supervisor).serve()


if __name__ == "__main__":
    main()
