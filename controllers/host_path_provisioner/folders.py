"""Shell: the folders of volumes, all directly below one folder, and nothing else is ever touched."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

# Names that this provisioner gives: `pvc-` and the uid of a claim.
NAME = re.compile(r"pvc-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Folders:
    """One folder a volume."""

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()

    def path_of(self, name: str) -> Path:
        """Where a volume of the name has its folder."""
        return self._root / name

    def make(self, name: str) -> None:
        """Have the folder there, open to every user a container may run as; OSError if that fails."""
        path = self.path_of(name)
        self._root.mkdir(parents=True, exist_ok=True)
        path.mkdir(exist_ok=True)
        path.chmod(0o777)

    def remove(self, name: str, path: str) -> None:
        """Remove the folder with all that is in it, where it is ours; OSError otherwise."""
        own = self.path_of(name)
        if NAME.fullmatch(name) is None or Path(path) != own:
            raise OSError(f"{path} is not a folder that this provisioner has made")
        if own.is_symlink():
            own.unlink()
        elif own.exists():
            shutil.rmtree(own)
