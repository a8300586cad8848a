"""Core: appends that were sent and not answered yet, and whether more may follow them.

    oldest | 7: 1 entry, 90 bytes | 9: 2 entries, 4 kB | 12: ... | newest      full: so many, or so many bytes

Bytes count because entries differ: 256 appends are a few kilobytes of Leases, or a quarter of a gigabyte. The
last append before the window is full may reach beyond it, so one of any size gets through.

After: etcd-io/raft tracker/inflights.go.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator


class Inflights:
    """A window of appends: the last index of each, and its size. `size_bytes` is what they are together."""

    __slots__ = ("_appends", "_count_max", "_size_bytes_max", "size_bytes")

    def __init__(self, count_max: int, size_bytes_max: int) -> None:
        assert count_max > 0
        assert size_bytes_max > 0
        self._count_max = count_max
        self._size_bytes_max = size_bytes_max
        self._appends: deque[tuple[int, int]] = deque()
        self.size_bytes = 0

    def __len__(self) -> int:
        return len(self._appends)

    def __iter__(self) -> Iterator[int]:
        return (index for index, _ in self._appends)

    @property
    def is_full(self) -> bool:
        return len(self._appends) >= self._count_max or self.size_bytes >= self._size_bytes_max

    def add(self, last_index: int, size_bytes: int) -> None:
        assert not self.is_full, "sent beyond the window"
        assert not self._appends or self._appends[-1][0] < last_index, "appends are sent in order"
        self._appends.append((last_index, size_bytes))
        self.size_bytes += size_bytes

    def free_to(self, index: int) -> None:
        """All that end at or before `index` were answered."""
        while self._appends and self._appends[0][0] <= index:
            self._free()

    def free_one(self) -> None:
        """Let one more go though nothing was answered."""
        if self._appends:
            self._free()

    def clear(self) -> None:
        self._appends.clear()
        self.size_bytes = 0

    def copy(self) -> Inflights:
        """The same window, for somebody who only looks."""
        twin = Inflights(self._count_max, self._size_bytes_max)
        twin._appends, twin.size_bytes = self._appends.copy(), self.size_bytes
        return twin

    def _free(self) -> None:
        self.size_bytes -= self._appends.popleft()[1]
        assert self.size_bytes >= 0
