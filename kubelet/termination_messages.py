"""Shell: the messages that containers leave when they end.

    a file of the node, a mount at terminationMessagePath --> read once it has ended --> its status
    nothing there, and it failed (FallbackToLogsOnError)  --> the end of its log

After: k8s pkg/kubelet/kuberuntime/kuberuntime_container.go, getTerminationMessage.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from kube.api.meta import Object
from kubelet.runtime.interface import Container, Mount, Runtime

# Of one container, of all containers of a pod together, and of a log in place of a message.
MESSAGE_BYTES_MAX = 4096
POD_BYTES_MAX = 12 * 1024
LOG_BYTES_MAX = 2048
LOG_LINES_MAX = 80


class TerminationMessages:
    """Of one pod; its files are in that folder, which `clear` removes; without one only logs are read."""

    def __init__(self, runtime: Runtime, folder: Path | None) -> None:
        self._runtime, self._folder = runtime, folder
        self._read: dict[str, str] = {}

    def mounts(self, spec: Object, attempt: int) -> Sequence[Mount]:
        """The file for a container's message, made anew."""
        path = self._path(spec["name"], attempt)
        if path is None or not (inside := spec.get("terminationMessagePath")):
            return ()
        path.parent.mkdir(parents=True, exist_ok=True)
        for old in path.parent.iterdir():
            # The attempt before the last is not told of any more.
            if int(old.name) < attempt - 1:
                old.unlink()
        path.write_bytes(b"")
        # Whoever it runs as may write.
        path.chmod(0o666)
        return (Mount(inside, str(path)),)

    def told(self, pod: Object, containers: Sequence[Container]) -> list[Container]:
        """The containers, those that have ended with their messages."""
        self._read = {each.id: self._read[each.id] for each in containers if each.id in self._read}
        specs = {spec["name"]: spec for spec in _specs(pod)}
        limit = min(MESSAGE_BYTES_MAX, POD_BYTES_MAX // max(len(specs), 1))
        return [self._with_message(each, specs.get(each.name), limit) for each in containers]

    def clear(self) -> None:
        """Remove the files."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
        self._read.clear()

    def _with_message(self, container: Container, spec: Object | None, limit: int) -> Container:
        if not container.is_exited or spec is None:
            return container
        if container.id not in self._read:
            self._read[container.id] = self._message(container, spec, limit)
        message = self._read[container.id]
        return replace(container, message=message) if message else container

    def _message(self, container: Container, spec: Object, limit: int) -> str:
        path = self._path(container.name, container.attempt)
        message = _end_of(path, limit).decode(errors="replace") if path else ""
        falls_back = spec.get("terminationMessagePolicy") == "FallbackToLogsOnError"
        if message or not falls_back or container.exit_code == 0:
            return message
        lines = _end_of(self._runtime.log_path(container.id), 2 * LOG_BYTES_MAX + limit).splitlines()
        said = "".join(_text(line) for line in lines[-LOG_LINES_MAX:])
        return said.encode()[-min(LOG_BYTES_MAX, limit) :].decode(errors="ignore")

    def _path(self, name: str, attempt: int) -> Path | None:
        return self._folder / name / str(attempt) if self._folder else None


def _specs(pod: Object) -> list[Object]:
    lists = ("initContainers", "containers", "ephemeralContainers")
    return [spec for key in lists for spec in pod["spec"].get(key) or ()]


def _end_of(path: Path, size: int) -> bytes:
    """The last bytes of a file; nothing of one that is not there."""
    try:
        with path.open("rb") as file:
            file.seek(max(os.fstat(file.fileno()).st_size - size, 0))
            return file.read(size)
    except OSError:
        return b""


def _text(line: bytes) -> str:
    """What the container wrote, of a line as CRI logs it."""
    parts = line.decode(errors="replace").split(" ", 3)
    if len(parts) < 4:
        return ""
    return parts[3] + ("" if parts[2] == "P" else "\n")
