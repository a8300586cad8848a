"""Shell: how much room the disk has left, so that it is said before it is used up.

A log that cannot be written ends a member. So some room is kept back: below that the cluster is told
(NOSPACE), and refuses what grows, while deleting, compacting and defragmenting still go on.
"""

from __future__ import annotations

import os
from pathlib import Path

RESERVE_BYTES = 64 << 20
RESERVE_SHARE = 8  # of a small disk: an eighth


class Space:
    """The room on the disk of a folder, as of the last `look`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.is_low = False

    def look(self) -> bool:
        """Look again; whether little is left."""
        disk = os.statvfs(self._folder)
        reserve_bytes = min(RESERVE_BYTES, disk.f_blocks * disk.f_frsize // RESERVE_SHARE)
        self.is_low = disk.f_bavail * disk.f_frsize < reserve_bytes
        return self.is_low
