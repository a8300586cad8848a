"""Shell: one container: its process from start to end, its streams, and the commands run in it.

Its state is a dict, as it stands in the pod's state file and on the wire: pid, started_at and finished_at (in
nanoseconds), exit_code, reason, message.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import struct
import termios
from collections.abc import Callable, Sequence

from kubelet.runtime.process.shim.launch import CannotStart, Spawned
from kubelet.runtime.process.shim.loop import Loop
from kubelet.runtime.process.shim.place import Place
from kubelet.runtime.process.shim.streams import Log, Output, Sink, Typed
from kubelet.runtime.process.shim.wire import Message

State = Message
# As containerd's, for what could not be started.
START_ERROR, START_ERROR_CODE = "StartError", 128
KILLED = 128 + signal.SIGKILL
OUT_OF_MEMORY = "OOMKilled"


class Container:
    """See the module. on_change: its state is another."""

    def __init__(
        self,
        loop: Loop,
        place: Place,
        config: State,
        log: Log,
        clock: Callable[[], int],
        on_change: Callable[[], None],
    ) -> None:
        self._loop, self._place, self._config, self._log = loop, place, config, log
        self._clock, self._on_change = clock, on_change
        self._outputs: list[Output] = []
        self._input: Sink | None = None
        self._terminal: int | None = None
        self._typists: list[Typed] = []
        self._commands: set[int] = set()
        self._on_end: list[Callable[[], None]] = []
        self.state: State = {"pid": 0, "started_at": None, "finished_at": None, "exit_code": 0}
        self.state |= {"reason": "", "message": ""}

    @property
    def is_running(self) -> bool:
        return bool(self.state["started_at"] and not self.state["finished_at"])

    def start(self) -> None:
        """CannotStart, and the container has then ended."""
        stdio, ours = self._streams()
        try:
            self._place.make()
            spawned = self._place.start(stdio)
        except (CannotStart, OSError) as error:
            for each in ours:
                os.close(each)
            self._place.remove()
            text = f"unable to start container process: error during container init: {error}"
            self._ended(START_ERROR_CODE, START_ERROR, text)
            raise CannotStart(text) from error
        finally:
            for each in stdio:
                os.close(each)
        self.state |= {"pid": spawned.pid, "started_at": self._clock()}
        self._listen(ours if spawned.terminal is None else [spawned.terminal])
        self._loop.on_exit(spawned.pid, self._exited)
        self._on_change()

    def signal(self, number: int) -> None:
        """To its first process."""
        if self.is_running:
            with contextlib.suppress(OSError):
                os.kill(self.state["pid"], number)

    def stop(self, grace_seconds: float, stopped: Callable[[], None]) -> None:
        """SIGTERM, and SIGKILL when the grace is over."""
        if not self.is_running:
            stopped()
            return
        self._on_end.append(stopped)
        if grace_seconds > 0:
            self.signal(signal.SIGTERM)
            self._loop.call_later(grace_seconds, self.kill)
        else:
            self.kill()

    def kill(self) -> None:
        """At once, with everything it has started."""
        if self.is_running:
            self.signal(signal.SIGKILL)
            self._place.kill(self.state["pid"])

    def execute(
        self,
        argv: Sequence[str],
        stdio: Sequence[int],
        window: Sequence[int] | None,
        ended: Callable[[int], None],
    ) -> Spawned:
        """Run a command beside it. CannotStart where that is not possible."""
        spawned = self._place.execute(self.state["pid"], argv, stdio, window)
        pid = spawned.pid
        self._commands.add(pid)

        def exited(code: int) -> None:
            self._commands.discard(pid)
            ended(code)

        self._loop.on_exit(pid, exited)
        return spawned

    def attach(self, stdio: Sequence[int], left: Callable[[], None]) -> Callable[[], None]:
        """Join a client's input and outputs; how to part again."""
        keys, out, err = stdio
        sinks = []
        for output, descriptor in zip(self._outputs, (out, err)):
            sink = Sink(self._loop, descriptor, output.resume)
            output.sinks.append(sink)
            sinks.append(sink)
        for unused in (out, err)[len(self._outputs) :]:
            os.close(unused)
        typist = self._typist(keys)
        self._on_end.append(left)

        def part() -> None:
            for sink in sinks:
                sink.close()
            for output in self._outputs:
                output.resume()
            if typist:
                typist.close()
                self._typists.remove(typist)
            if left in self._on_end:
                self._on_end.remove(left)

        return part

    def resize(self, columns: int, rows: int) -> None:
        """Of its terminal."""
        if self._terminal is not None:
            with contextlib.suppress(OSError):
                fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def update(self, resources: dict[str, int]) -> None:
        self._place.limit(resources)

    def usage(self) -> tuple[int, int]:
        return self._place.usage(self.state["pid"])

    def reopen_log(self) -> None:
        if self.is_running:
            self._log.reopen()

    def remove(self) -> None:
        self._place.remove()

    def _streams(self) -> tuple[list[int], list[int]]:
        """What the process gets as 0, 1 and 2, and our ends of that; a terminal it makes itself."""
        if self._config["is_terminal"]:
            return [], []
        out, theirs_out = os.pipe()
        err, theirs_err = os.pipe()
        if not self._config["stdin"]:
            return [os.open(os.devnull, os.O_RDONLY), theirs_out, theirs_err], [out, err]
        theirs_in, keys = os.pipe()
        return [theirs_in, theirs_out, theirs_err], [out, err, keys]

    def _listen(self, ours: Sequence[int]) -> None:
        if self._config["is_terminal"]:
            self._terminal = ours[0]
            self._outputs = [Output(self._loop, ours[0], "stdout", self._log)]
            self._input = Sink(self._loop, os.dup(ours[0]), self._resume_typing)
            return
        self._outputs = [
            Output(self._loop, descriptor, name, self._log)
            for descriptor, name in zip(ours, ("stdout", "stderr"))
        ]
        if self._config["stdin"]:
            self._input = Sink(self._loop, ours[2], self._resume_typing)

    def _typist(self, descriptor: int) -> Typed | None:
        if self._input is None or not self._config["stdin"]:
            os.close(descriptor)
            return None
        typist = Typed(self._loop, descriptor, self._input, self._typing_ended)
        self._typists.append(typist)
        return typist

    def _typing_ended(self) -> None:
        if self._config["stdin_once"] and self._input and not self._config["is_terminal"]:
            self._input.end()

    def _resume_typing(self) -> None:
        for typist in self._typists:
            typist.resume()

    def end_killed(self) -> None:
        """Its pod is ending, and has ended and reaped it."""
        if self.is_running:
            self._exited(KILLED)

    def _exited(self, code: int) -> None:
        """The first process has ended, and the container with it."""
        self._place.kill(self.state["pid"])
        for pid in list(self._commands):
            with contextlib.suppress(OSError):
                os.killpg(pid, signal.SIGKILL)
        for output in self._outputs:
            output.finish()
        for typist in self._typists:
            typist.close()
        if self._input:
            self._input.close()
        self._terminal = None
        killed = code and self._place.out_of_memory_kills()
        self._ended(code, OUT_OF_MEMORY if killed else "Error" if code else "Completed", "")

    def _ended(self, code: int, reason: str, message: str) -> None:
        now = self._clock()
        self.state |= {"pid": 0, "started_at": self.state["started_at"] or now, "finished_at": now}
        self.state |= {"exit_code": code, "reason": reason, "message": message}
        self._log.close()
        # The state first: who waited for the end looks at it.
        self._on_change()
        waiting, self._on_end = self._on_end, []
        for callback in waiting:
            callback()
