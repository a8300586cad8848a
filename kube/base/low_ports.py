"""Shell: ports below 1024, where this user may not bind them.

Without the right, a fake pod's port 80 is served at 10080 of the same address, and a Service's so, too; the
proxy, which runs as the same user, finds the pod there. With the right, nobody looks at the other port.
"""

from __future__ import annotations

import socket

OFFSET = 10_000
FIRST_FREE_FOR_ALL = 1024
WAY_OUT = "this user may not bind ports below 1024; as root: sysctl net.ipv4.ip_unprivileged_port_start=0"
# An address that nobody uses, to try the right on.
TRIAL_ADDRESS = "127.255.255.254"


def bindable(port: int) -> int:
    """The port itself where this user may bind it, otherwise the one that stands in for it."""
    return port if port >= FIRST_FREE_FOR_ALL or _may_bind(port) else port + OFFSET


def _may_bind(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((TRIAL_ADDRESS, port))
        except PermissionError:
            return False
        except OSError:
            # Somebody has it just now: who is told so has got past the question of the right.
            return True
    return True
