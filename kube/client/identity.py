"""Shell: the name under which a process competes for a Lease: the place where it listens.

    vm-7_127.0.0.1:6490_3f0c2d1e        host, address and port, and which of the hosts called so

Two processes cannot listen on one address, so whoever listens there is the only one of that name, and whoever
was called so before has ended. A leader that was killed therefore finds the Lease to be its own when it is
started again, and leads at once; under a new name it would have to wait until the Lease has lapsed. The last
part tells machines and containers apart that have the same name.

After: k8s cmd/kube-controller-manager/app/controllermanager.go, Run, where it is the host and a random uuid.
"""

from __future__ import annotations

import hashlib
import os
import platform
from pathlib import Path

from kube.base.startup import StartupError

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
NETWORK = Path("/proc/self/ns/net")


def listener_identity(address: str, port: int) -> str:
    """The name of the process that listens here; it may compete once it does."""
    if not port:
        raise StartupError("--leader-elect needs a port to listen on: give --secure-port")
    which = f"{BOOT_ID.read_text()} {os.readlink(NETWORK)}"
    return f"{platform.node()}_{address}:{port}_{hashlib.sha256(which.encode()).hexdigest()[:8]}"
