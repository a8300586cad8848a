"""Shell: a pod in its shim: what a kubelet can ask for, and the file that tells what became of it.

    state.json  {"containers": {<id>: {pid, started_at, finished_at, exit_code, reason, message}}}

Invariants: the file is written before anybody is told; it is replaced in one step, so that a killed shim
leaves the truth of a moment.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Callable

from kubelet.runtime.process.shim import processes
from kubelet.runtime.process.shim.container import Container
from kubelet.runtime.process.shim.launch import CannotStart
from kubelet.runtime.process.shim.loop import Loop
from kubelet.runtime.process.shim.network import PodNetwork
from kubelet.runtime.process.shim.place import Place
from kubelet.runtime.process.shim.streams import Log
from kubelet.runtime.process.shim.surroundings import Surroundings
from kubelet.runtime.process.shim.wire import Message, Peer

STATE_FILE = "state.json"
# How long containers may take to end when the shim itself is told to: `deploy/down` waits for five seconds.
GRACE_SECONDS = 2.0


class Pod:
    """See the module."""

    def __init__(self, loop: Loop, surroundings: Surroundings, clock: Callable[[], int]) -> None:
        self._loop, self._surroundings, self._clock = loop, surroundings, clock
        is_redirected = surroundings.has_redirection and not surroundings.host_network
        self._network = PodNetwork(loop, surroundings.ip, surroundings.port_offset) if is_redirected else None
        self._containers: dict[str, Container] = {}
        self._listeners: list[Peer] = []
        self._acts = {
            "hello": self._hello,
            "start": self._start,
            "stop": self._stop,
            "exec": self._exec,
            "attach": self._attach,
            "resize": self._resize,
            "remove": self._remove,
            "update": self._update,
            "reopen_log": self._reopen_log,
            "usage": self._usage,
            "shut_down": self._shut_down,
        }
        self._save()

    def serve(self, peer: Peer, message: Message) -> None:
        """Do what a message asks for, and answer it."""
        try:
            self._acts[message["do"]](peer, message)
        except (CannotStart, OSError) as error:
            peer.send({"id": message["id"], "error": str(error)})

    def end(self) -> None:
        """What SIGTERM asks for: a short grace, then the end."""
        for container in self._containers.values():
            container.stop(GRACE_SECONDS, self._end_when_empty)
        self._end_when_empty()

    def _end_when_empty(self) -> None:
        if not any(container.is_running for container in self._containers.values()):
            self._leave()

    def _hello(self, peer: Peer, message: Message) -> None:
        self._listeners.append(peer)
        peer.on_close.append(lambda: self._listeners.remove(peer))
        _answer(peer, message, {key: each.state for key, each in self._containers.items()})

    def _start(self, peer: Peer, message: Message) -> None:
        container_id, config = message["container"], message["config"]
        log = Log(message["log_path"], lambda: _log_time(self._clock()))
        place = Place(self._surroundings, self._network, container_id, config)

        def changed() -> None:
            self._changed(container_id)

        container = Container(self._loop, place, config, log, self._clock, changed)
        self._containers[container_id] = container
        container.start()
        _answer(peer, message)

    def _stop(self, peer: Peer, message: Message) -> None:
        container = self._containers.get(message["container"])
        if container is None:
            _answer(peer, message)
        else:
            container.stop(message["grace_seconds"], lambda: _answer(peer, message))

    def _exec(self, peer: Peer, message: Message) -> None:
        """The connection is the command's: who closes it ends the command."""
        stdio = peer.take(3)
        try:
            spawned = self._running(message).execute(
                message["command"],
                stdio,
                message["window"],
                lambda code: peer.send({"exit_code": code}),
            )
        finally:
            _close(stdio)
        peer.on_close.append(lambda: self._end_command(spawned.pid))
        if spawned.terminal is None:
            _answer(peer, message)
        else:
            peer.hand_over({"id": message["id"], "ok": None}, spawned.terminal)

    def _end_command(self, pid: int) -> None:
        if self._loop.is_child(pid):
            with contextlib.suppress(OSError):
                os.killpg(pid, signal.SIGKILL)

    def _attach(self, peer: Peer, message: Message) -> None:
        stdio = peer.take(3)
        try:
            container = self._running(message)
        except CannotStart:
            _close(stdio)
            raise
        peer.on_close.append(container.attach(stdio, lambda: peer.send({"exit_code": 0})))
        _answer(peer, message)

    def _resize(self, peer: Peer, message: Message) -> None:
        self._running(message).resize(message["columns"], message["rows"])
        _answer(peer, message)

    def _remove(self, peer: Peer, message: Message) -> None:
        if container := self._containers.pop(message["container"], None):
            container.remove()
            self._save()
        _answer(peer, message)

    def _update(self, peer: Peer, message: Message) -> None:
        self._running(message).update(message["resources"])
        _answer(peer, message)

    def _reopen_log(self, peer: Peer, message: Message) -> None:
        # Of one that has ended meanwhile the old file is the log: who moved it moves it back.
        self._running(message).reopen_log()
        _answer(peer, message)

    def _usage(self, peer: Peer, message: Message) -> None:
        running = {key: each.usage() for key, each in self._containers.items() if each.is_running}
        _answer(peer, message, running)

    def _shut_down(self, peer: Peer, message: Message) -> None:
        self._leave()
        _answer(peer, message)

    def _leave(self) -> None:
        """End whatever is left of the pod, and this process after it."""
        if self._loop.is_ending:
            return
        self._loop.is_ending = True
        for container in self._containers.values():
            container.kill()
        processes.end_all_below()
        for container in self._containers.values():
            container.end_killed()
            container.remove()
        if self._surroundings.cgroup:
            self._surroundings.cgroup.remove()

    def _running(self, message: Message) -> Container:
        container = self._containers.get(message["container"])
        if container is None or not container.is_running:
            raise CannotStart(f"container {message['container']} is not running")
        return container

    def _changed(self, container_id: str) -> None:
        self._save()
        for peer in self._listeners:
            peer.send({"changed": container_id, "state": self._containers[container_id].state})

    def _save(self) -> None:
        path = os.path.join(self._surroundings.folder, STATE_FILE)
        state: Message = {key: each.state for key, each in self._containers.items()}
        # A full disk must not end the pod.
        with contextlib.suppress(OSError):
            with open(f"{path}.new", "w") as file:
                json.dump({"containers": state}, file)
            os.replace(f"{path}.new", path)


def _answer(peer: Peer, message: Message, result: object = None) -> None:
    peer.send({"id": message["id"], "ok": result})


def _close(descriptors: list[int]) -> None:
    for each in descriptors:
        os.close(each)


def _log_time(nanoseconds: int) -> bytes:
    """As a line of a log begins."""
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    moment = time.gmtime(seconds)
    return b"%04d-%02d-%02dT%02d:%02d:%02d.%09dZ" % (*moment[:6], rest)
