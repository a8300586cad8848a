"""Core: what was lately written to watchers, so that an event is written once, whoever watches.

All watchers of a kind wake together and ask for the same frame in the same form (JSON as it is, a Table,
metadata alone); the first one writes it, the others send the same bytes. A moment later nobody asks for it
any more, so the cache is small and is simply emptied when it is full.

After: k8s staging/src/k8s.io/apiserver/pkg/storage/cacher/caching_object.go
"""

from __future__ import annotations

from collections.abc import Callable

FRAMES_BYTES_MAX = 4 * 1024 * 1024

# The revision and key of what changed, the type the watcher sees, the form he wants it in.
FrameKey = tuple[int, str, str, str]


class FrameCache:
    """Frames by event, type and form."""

    def __init__(self) -> None:
        self._frames: dict[FrameKey, bytes] = {}
        self._size_bytes = 0

    def get(self, key: FrameKey, write: Callable[[], bytes]) -> bytes:
        """The frame, which `write` makes if nobody has asked for it yet."""
        frame = self._frames.get(key)
        if frame is None:
            frame = write()
            if self._size_bytes + len(frame) > FRAMES_BYTES_MAX:
                self._frames.clear()
                self._size_bytes = 0
            self._frames[key] = frame
            self._size_bytes += len(frame)
        return frame
