"""Shell: what a kubelet keeps of a pod, as one file in the pod's folder; and what the shim keeps there.

    <root>/<pod uid>/  pod.json      the sandbox and its containers, with what they are made from
                       sandbox.json  what the shim must know of the pod
                       state.json    what the shim says of the containers
                       shim.sock     where it listens; shim.json  which process it is
                       shim.log      what it printed, which is nothing unless it fails
                       <container id>.log, <container id>.root/

Both write a file anew at each change and replace it in one step, so that whoever is killed leaves the old or
the new state, never half of one.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from kubelet.runtime.interface import (
    Container,
    ContainerConfig,
    ContainerState,
    DNSConfig,
    Mount,
    Resources,
    Sandbox,
    SandboxConfig,
    SecurityContext,
)


@dataclass(slots=True)
class PodRecord:
    """A sandbox, its containers oldest first, and what each was made from (by container id)."""

    config: SandboxConfig
    sandbox: Sandbox
    containers: dict[str, Container] = field(default_factory=dict)
    configs: dict[str, ContainerConfig] = field(default_factory=dict)


class Records:
    """The pods' folders."""

    def __init__(self, folder: Path) -> None:
        # The shims work in other folders than the kubelet.
        self._folder = folder.absolute()

    def open(self) -> None:
        """Make the folder above them; OSError when that is not possible."""
        self._folder.mkdir(parents=True, exist_ok=True)

    def load(self) -> dict[str, PodRecord]:
        """All pods, by uid."""
        return {
            path.parent.name: _decode(json.loads(path.read_text()))
            for path in sorted(self._folder.glob("*/pod.json"))
        }

    def save(self, record: PodRecord) -> None:
        folder = self.folder_of(record.sandbox.pod_uid)
        folder.mkdir(exist_ok=True)
        write(folder / "pod.json", asdict(record))

    def delete(self, pod_uid: str) -> None:
        shutil.rmtree(self.folder_of(pod_uid), ignore_errors=True)

    def folder_of(self, pod_uid: str) -> Path:
        return self._folder / pod_uid

    def states_of(self, pod_uid: str) -> Mapping[str, Any]:
        """What the shim last said of its containers."""
        try:
            states: Mapping[str, Any] = json.loads((self.folder_of(pod_uid) / "state.json").read_text())
        except (OSError, ValueError):
            return {}
        return states["containers"]  # type: ignore[no-any-return]


def write(path: Path, data: Mapping[str, Any]) -> None:
    """A JSON file, in one step."""
    scratch = path.with_suffix(".new")
    scratch.write_text(json.dumps(data, default=_encode))
    os.replace(scratch, path)


def _encode(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    assert isinstance(value, ContainerState), f"cannot save {value!r}"
    return value.value


def _decode(data: dict[str, Any]) -> PodRecord:
    dns = data["config"]["dns"]
    return PodRecord(
        config=SandboxConfig(**{**data["config"], "dns": DNSConfig(**dns) if dns else None}),
        sandbox=Sandbox(**_times(data["sandbox"])),
        containers={
            key: Container(**{**_times(each), "state": ContainerState(each["state"])})
            for key, each in data["containers"].items()
        },
        configs={key: _config(each) for key, each in data["configs"].items()},
    )


def _config(data: dict[str, Any]) -> ContainerConfig:
    parts = {
        "mounts": [Mount(**each) for each in data["mounts"]],
        "resources": Resources(**data["resources"]),
        "security": SecurityContext(**data["security"]),
    }
    return ContainerConfig(**{**data, **parts})


def _times(data: dict[str, Any]) -> dict[str, Any]:
    return {
        key: datetime.fromisoformat(value) if key.endswith("_at") and value else value
        for key, value in data.items()
    }
