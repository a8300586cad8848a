"""Shell: how far the engine may protect a container from being killed for want of memory.

To lower the score of a process takes CAP_SYS_RESOURCE. An engine without it, as in many nested machines,
starts no container that asks for less than its own score: what is asked for then stops there.
"""

from __future__ import annotations

import socket
import struct
from pathlib import Path

LOWEST = -1000
CAP_SYS_RESOURCE = 24


def lowest(path: str) -> int:
    """The lowest score the engine behind the socket can give, judged by the process that answers there."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.connect(path)
        pid, _, _ = struct.unpack("3i", probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    try:
        status = Path(f"/proc/{pid}/status").read_text()
        score = int(Path(f"/proc/{pid}/oom_score_adj").read_text())
    except OSError:
        return LOWEST
    capabilities = next(line.split()[1] for line in status.splitlines() if line.startswith("CapEff:"))
    return LOWEST if int(capabilities, 16) >> CAP_SYS_RESOURCE & 1 else score
