"""Programs of Debian that tests/run unpacks beside the virtual environment, installing nothing."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

ROOT = Path(sys.prefix) / "debian"
PATH = os.pathsep.join([*(str(ROOT / each) for each in ("usr/sbin", "usr/bin", "bin")), os.environ["PATH"]])


def program(name: str) -> str:
    """Where the program is."""
    found = shutil.which(name, path=PATH)
    assert found, f"{name} is missing: tests/run fetches it"
    return found


def environment() -> dict[str, str]:
    """This process's, with the programs on the path and the libraries they came with."""
    libraries = [str(path.parent) for path in ROOT.glob("**/*.so.*")]
    return {**os.environ, "PATH": PATH, "LD_LIBRARY_PATH": os.pathsep.join(dict.fromkeys(libraries))}
