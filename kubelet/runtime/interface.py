"""Core: what the kubelet asks of a container runtime, shaped like CRI.

A *sandbox* is the place of a pod: it has the address. *Containers* live in it; a restarted container is a
new one with the next `attempt`. The runtime remembers both across a restart of the kubelet, and is the
truth about them.

After: k8s staging/src/k8s.io/cri-api/pkg/apis/runtime/v1/api.proto, RuntimeService and ImageService.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Protocol


class ContainerState(Enum):
    """CRI's states."""

    CREATED = "created"
    RUNNING = "running"
    EXITED = "exited"


@dataclass(frozen=True, slots=True)
class SandboxConfig:
    """What a pod needs for a place: who it is, and whether it has an address of its own."""

    pod_uid: str
    namespace: str
    name: str
    host_network: bool = False
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ContainerConfig:
    """What a container is made of. `ports` are the TCP ports it says it listens on; `environment` is in the
    order of the pod's spec.
    """

    name: str
    attempt: int
    image: str
    command: Sequence[str] = ()
    args: Sequence[str] = ()
    ports: Sequence[int] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A pod's place. `ready` is False once it is stopped: its address is then free."""

    id: str
    pod_uid: str
    namespace: str
    name: str
    ip: str
    ready: bool
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Container:
    """A container and what became of it."""

    id: str
    sandbox_id: str
    pod_uid: str
    name: str
    attempt: int
    image: str
    state: ContainerState
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    exit_code: int = 0
    reason: str = ""

    @property
    def is_running(self) -> bool:
        return self.state is ContainerState.RUNNING

    @property
    def is_exited(self) -> bool:
        return self.state is ContainerState.EXITED


class RuntimeFailure(Exception):
    """The runtime could not do it; the kubelet says so in an event and tries again."""


class Streams(Protocol):
    """A client's end of a command: what it types and what it is shown."""

    @property
    def size(self) -> tuple[int, int]:
        """Columns and rows of the client's terminal, as last told."""
        ...

    async def read(self) -> bytes:
        """What was typed next; nothing at its end."""
        ...

    async def write(self, data: bytes) -> None: ...

    async def write_error(self, data: bytes) -> None: ...


class Runtime(Protocol):
    """The runtime of one node."""

    name: str
    version: str

    def sandbox_of(self, pod_uid: str) -> Sandbox | None: ...

    def containers_of(self, pod_uid: str) -> list[Container]:
        """All containers of the pod, oldest first."""
        ...

    def list_sandboxes(self) -> list[Sandbox]: ...

    def log_path(self, container_id: str) -> Path:
        """The file with the container's output, each line as CRI writes it."""
        ...

    def address_of(self, pod_uid: str, port: int) -> tuple[str, int]:
        """Where a connection to the pod's port must go; CRI's PortForward, for a pod that has an address."""
        ...

    def on_change(self, listener: Callable[[str], None]) -> None:
        """Call `listener(pod_uid)` whenever a container ends by itself."""
        ...

    async def start(self) -> None:
        """Take up what an earlier kubelet left running."""
        ...

    async def stop(self) -> None:
        """Let go of everything without ending a container."""
        ...

    async def run_pod_sandbox(self, config: SandboxConfig) -> Sandbox: ...

    async def stop_pod_sandbox(self, pod_uid: str) -> None: ...

    async def remove_pod_sandbox(self, pod_uid: str) -> None:
        """Forget the sandbox and its containers."""
        ...

    async def pull_image(self, image: str) -> float:
        """Fetch the image; how many seconds it took."""
        ...

    async def create_container(self, pod_uid: str, config: ContainerConfig) -> str: ...

    async def start_container(self, container_id: str) -> None: ...

    async def exec(
        self, container_id: str, command: Sequence[str], streams: Streams, *, is_terminal: bool
    ) -> int:
        """Run a command in a running container until it or the container ends; its exit code. RuntimeFailure
        where it cannot start. CRI's Exec, with the streams themselves in place of a URL for them.
        """
        ...

    async def stop_container(self, container_id: str, grace_seconds: float) -> None:
        """Ask it to end (SIGTERM), and make it end when the grace is over (SIGKILL)."""
        ...
