"""Shell: paths of the node in pods: what must be there, and what is made.

After: k8s pkg/volume/hostpath/host_path.go.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from kubelet.volumes.files import Missing

# What a type says must be at the path, as stat and as messages have it.
TYPES = {
    "Directory": (stat.S_ISDIR, "a directory"),
    "File": (stat.S_ISREG, "a file"),
    "Socket": (stat.S_ISSOCK, "a socket file"),
    "CharDevice": (stat.S_ISCHR, "a character device"),
    "BlockDevice": (stat.S_ISBLK, "a block device"),
}


def check(path: str, kind: str) -> None:
    """Make what may be made; Missing where the wrong thing or nothing is there."""
    if not kind:
        return
    try:
        if kind == "DirectoryOrCreate" and not os.path.exists(path):
            Path(path).mkdir(mode=0o755, parents=True)
        elif kind == "FileOrCreate" and not os.path.exists(path):
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o644))
    except OSError as error:
        raise Missing(f"{_operation(kind)} {path}: {_words(error)}") from error
    fits, words = TYPES[kind.removesuffix("OrCreate")]
    try:
        is_it = fits(os.stat(path).st_mode)
    except OSError:
        is_it = False
    if not is_it:
        raise Missing(f"hostPath type check failed: {path} is not {words}")


def _operation(kind: str) -> str:
    return "mkdir" if kind == "DirectoryOrCreate" else "open"


def _words(error: OSError) -> str:
    """As Go says it."""
    return (error.strerror or str(error)).lower()
