"""Shell: the shim's loop: descriptors that are ready, children that ended, times that came; one thread.

asyncio would do it, too, at three times the memory and start time of the whole shim.
"""

from __future__ import annotations

import contextlib
import heapq
import os
import select
import signal
import time
from collections.abc import Callable

READABLE, WRITABLE, HUNG_UP = select.EPOLLIN, select.EPOLLOUT, select.EPOLLHUP
Ready = Callable[[int], None]


class Loop:
    """Callbacks by descriptor (told what it is ready for), by child and by time."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._ready: dict[int, Ready] = {}
        self._children: dict[int, Callable[[int], None]] = {}
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        self._signals, wakeup = os.pipe()
        for each in (self._signals, wakeup):
            os.set_blocking(each, False)
        signal.set_wakeup_fd(wakeup, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self.is_ending = False
        self.watch(self._signals, READABLE, self._reap)

    def watch(self, descriptor: int, mask: int, ready: Ready) -> None:
        """Call `ready` whenever the descriptor is; in place of what was asked for it before."""
        if descriptor in self._ready:
            self._epoll.modify(descriptor, mask)
        else:
            self._epoll.register(descriptor, mask)
        self._ready[descriptor] = ready

    def forget(self, descriptor: int) -> None:
        """Before it is closed."""
        if self._ready.pop(descriptor, None):
            self._epoll.unregister(descriptor)

    def on_exit(self, pid: int, ended: Callable[[int], None]) -> None:
        """Call `ended` with the child's exit code: of a signal, 128 and its number."""
        self._children[pid] = ended

    def is_child(self, pid: int) -> bool:
        """Whether the child of that pid has not ended yet."""
        return pid in self._children

    def call_later(self, seconds: float, callback: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._timers, (time.monotonic() + seconds, self._count, callback))

    def run(self) -> None:
        """Until `is_ending`."""
        while not self.is_ending:
            for descriptor, mask in self._epoll.poll(self._wait()):
                # Another callback of the same round may have closed it.
                if ready := self._ready.get(descriptor):
                    ready(mask)
            while self._timers and self._timers[0][0] <= time.monotonic():
                heapq.heappop(self._timers)[2]()

    def _wait(self) -> float | None:
        return max(self._timers[0][0] - time.monotonic(), 0.0) if self._timers else None

    def _reap(self, _: int) -> None:
        with contextlib.suppress(BlockingIOError):
            while os.read(self._signals, 512):
                pass
        with contextlib.suppress(ChildProcessError):
            while (found := os.waitpid(-1, os.WNOHANG))[0]:
                pid, status = found
                code = os.waitstatus_to_exitcode(status)
                # Orphans come to us, too, and are nobody's.
                if ended := self._children.pop(pid, None):
                    ended(code if code >= 0 else 128 - code)
