"""Shell: what the fake runtime remembers: one JSON file a pod, and one log file a container that prints.

A pod's file is written anew at each change and replaced in one step, so that a killed kubelet leaves the
old or the new state, never half of one. The pods of a fleet are not kept: after a restart of its process they
start anew, as after a power cut.
"""

from __future__ import annotations

import json
import os
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


@dataclass(frozen=True, slots=True)
class Used:
    """How much of a processor a container had used at some time, in nanoseconds."""

    counted_at: datetime
    nanoseconds: int


@dataclass(slots=True)
class PodRecord:
    """A sandbox, its containers oldest first, and what each was made from (by container id); used: until what
    they use a second was changed last.
    """

    config: SandboxConfig
    sandbox: Sandbox
    containers: dict[str, Container] = field(default_factory=dict)
    configs: dict[str, ContainerConfig] = field(default_factory=dict)
    used: dict[str, Used] = field(default_factory=dict)


class Records:
    """The files under one folder."""

    def __init__(self, folder: Path, *, is_kept: bool = True) -> None:
        self._folder, self._is_kept = folder, is_kept

    def open(self) -> None:
        """Make the folder; OSError when that is not possible."""
        self._folder.mkdir(parents=True, exist_ok=True)
        for log in () if self._is_kept else self._folder.glob("*.log*"):
            log.unlink(missing_ok=True)

    def load(self) -> dict[str, PodRecord]:
        """All pods, by uid."""
        return {
            path.stem: _decode(json.loads(path.read_text())) for path in sorted(self._folder.glob("*.json"))
        }

    def save(self, record: PodRecord) -> None:
        if not self._is_kept:
            return
        path = self._folder / f"{record.sandbox.pod_uid}.json"
        scratch = path.with_suffix(".new")
        scratch.write_text(json.dumps(asdict(record), default=_encode))
        os.replace(scratch, path)

    def delete(self, pod_uid: str) -> None:
        if self._is_kept:
            (self._folder / f"{pod_uid}.json").unlink(missing_ok=True)

    def log_path(self, container_id: str) -> Path:
        return self._folder / f"{container_id}.log"

    def write_log(self, container_id: str, line: str) -> None:
        with self.log_path(container_id).open("a") as log:
            log.write(line)

    def delete_log(self, container_id: str) -> None:
        self.log_path(container_id).unlink(missing_ok=True)


def _encode(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    assert isinstance(value, ContainerState), f"cannot save {value!r}"
    return value.value


def _decode(data: dict[str, Any]) -> PodRecord:
    return PodRecord(
        config=_sandbox_config(data["config"]),
        sandbox=Sandbox(**_times(data["sandbox"])),
        containers={
            key: Container(**{**_times(each), "state": ContainerState(each["state"])})
            for key, each in data["containers"].items()
        },
        configs={key: _config(each) for key, each in data["configs"].items()},
        used={key: Used(**_times(each)) for key, each in data.get("used", {}).items()},
    )


def _sandbox_config(data: dict[str, Any]) -> SandboxConfig:
    return SandboxConfig(**{**data, "dns": DNSConfig(**data["dns"]) if data["dns"] else None})


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
