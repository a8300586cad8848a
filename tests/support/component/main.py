"""Shell: a process that waits for SIGTERM, or ends at once, as its flags say."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import click


@click.command()
@click.option("--fail", default="", help="End at once with this message and exit code 1.")
@click.option("--stubborn", is_flag=True, help="Do not heed SIGTERM.")
@click.option(
    "--descriptors", type=click.Path(path_type=Path), help="Write the open descriptors to this file."
)
def main(fail: str, stubborn: bool, descriptors: Path | None) -> None:
    if fail:
        print(f"error: {fail}", file=sys.stderr)
        sys.exit(1)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    print("ready", flush=True)
    if descriptors:
        open_now = {name: _target(name) for name in os.listdir("/proc/self/fd")}
        descriptors.write_text("\n".join(target for target in open_now.values() if target))
    while signal.sigwait([signal.SIGTERM]) and stubborn:
        pass


def _target(descriptor: str) -> str | None:
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}")
    except FileNotFoundError:
        return None
