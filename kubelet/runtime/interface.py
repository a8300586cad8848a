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
from typing import Any, Protocol


class ContainerState(Enum):
    """CRI's states."""

    CREATED = "created"
    RUNNING = "running"
    EXITED = "exited"


@dataclass(frozen=True, slots=True)
class DNSConfig:
    """What stands in the containers' resolv.conf."""

    servers: Sequence[str] = ()
    searches: Sequence[str] = ()
    options: Sequence[str] = ()

    @property
    def text(self) -> str:
        """The file itself."""
        lines = [f"nameserver {each}" for each in self.servers]
        lines += [f"search {' '.join(self.searches)}"] if self.searches else []
        lines += [f"options {' '.join(self.options)}"] if self.options else []
        return "".join(f"{line}\n" for line in lines)


@dataclass(frozen=True, slots=True)
class SandboxConfig:
    """What a pod needs for a place: who it is, and what its containers share.

    dns: None leaves it to the runtime. host_ports: (address or "", host port, container port, protocol).
    node_name: which of the nodes it is on, where one runtime carries several.
    """

    pod_uid: str
    namespace: str
    name: str
    host_network: bool = False
    annotations: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    hostname: str = ""
    dns: DNSConfig | None = None
    host_ports: Sequence[tuple[str, int, int, str]] = ()
    host_pid: bool = False
    host_ipc: bool = False
    share_process_namespace: bool = False
    sysctls: Mapping[str, str] = field(default_factory=dict)
    node_name: str = ""


@dataclass(frozen=True, slots=True)
class Mount:
    """A file or folder of the node at a path in the container."""

    container_path: str
    host_path: str
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class Resources:
    """CRI's LinuxContainerResources; 0 stands for no limit. cpu_quota: microseconds of each cpu_period."""

    cpu_shares: int = 2
    cpu_quota: int = 0
    cpu_period: int = 100_000
    memory_limit_bytes: int = 0
    oom_score_adj: int = 1000


@dataclass(frozen=True, slots=True)
class SecurityContext:
    """As whom a container runs and what it may do; None: as its image says."""

    run_as_user: int | None = None
    run_as_group: int | None = None
    supplemental_groups: Sequence[int] = ()
    privileged: bool = False
    read_only_rootfs: bool = False
    no_new_privileges: bool = False
    add_capabilities: Sequence[str] = ()
    drop_capabilities: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class ContainerConfig:
    """What a container is made of. `ports` are the TCP ports it says it listens on; `environment` is in the
    order of the pod's spec; `stdin_once`: its input ends with the first client that was attached.
    """

    name: str
    attempt: int
    image: str
    command: Sequence[str] = ()
    args: Sequence[str] = ()
    ports: Sequence[int] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    working_dir: str = ""
    mounts: Sequence[Mount] = ()
    resources: Resources = field(default_factory=Resources)
    security: SecurityContext = field(default_factory=SecurityContext)
    stdin: bool = False
    stdin_once: bool = False
    is_terminal: bool = False


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
    """A container and what became of it. `reason` and `message` say why it ended, where the runtime knows
    (Completed, Error, OOMKilled, ContainerCannotRun); `image_id` is empty where it is the image's name.
    """

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
    message: str = ""
    image_id: str = ""

    @property
    def is_running(self) -> bool:
        return self.state is ContainerState.RUNNING

    @property
    def is_exited(self) -> bool:
        return self.state is ContainerState.EXITED


@dataclass(frozen=True, slots=True)
class Image:
    """An image the node has: all names it goes by, tags and digests alike."""

    id: str
    names: Sequence[str]
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who asks a registry for an image."""

    username: str
    password: str
    server: str = ""


@dataclass(frozen=True, slots=True)
class ContainerStats:
    """What a running container has used: processor time since its start, memory and writable files now."""

    container_id: str
    at: datetime
    cpu_nanoseconds: int
    memory_bytes: int
    files_bytes: int = 0


@dataclass(frozen=True, slots=True)
class ExecResult:
    """A command's end: what it wrote to both streams, in order."""

    exit_code: int
    output: bytes


class RuntimeFailure(Exception):
    """The runtime could not do it; the kubelet says so in an event and tries again."""


class PullFailure(RuntimeFailure):
    """An image cannot be had; `reason` is ErrImagePull, or what the kubelet shows in its place
    (InvalidImageName, RegistryUnavailable, ErrImageNeverPull).
    """

    def __init__(self, text: str, reason: str = "ErrImagePull") -> None:
        super().__init__(text)
        self.reason = reason


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

    def problem(self) -> str | None:
        """Why no container can be run now, in words for the node's Ready condition; None when all is well."""
        ...

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

    def annotate(self, pod_uid: str, annotations: Mapping[str, str]) -> None:
        """The pod's annotations have changed; nothing to a runtime that does not go by them."""
        ...

    async def stop_pod_sandbox(self, pod_uid: str) -> None: ...

    async def remove_pod_sandbox(self, pod_uid: str) -> None:
        """Forget the sandbox and its containers."""
        ...

    def image_of(self, image: str) -> Image | None:
        """The image of that name, if the node has it."""
        ...

    def list_images(self) -> Sequence[Image]: ...

    async def pull_image(self, image: str, credentials: Credentials | None = None) -> Image:
        """Fetch the image; PullFailure says why that is not possible."""
        ...

    async def remove_image(self, image_id: str) -> None: ...

    async def create_container(self, pod_uid: str, config: ContainerConfig) -> str: ...

    async def start_container(self, container_id: str) -> None:
        """RuntimeFailure where it cannot; the container has then ended (128, ContainerCannotRun) if it was
        tried at all.
        """
        ...

    async def exec(
        self, container_id: str, command: Sequence[str], streams: Streams, *, is_terminal: bool
    ) -> int:
        """Run a command in a running container until it or the container ends; its exit code. RuntimeFailure
        where it cannot start. CRI's Exec, with the streams themselves in place of a URL for them.
        """
        ...

    async def exec_sync(
        self, container_id: str, command: Sequence[str], timeout_seconds: float
    ) -> ExecResult:
        """Run a command without input; TimeoutError, and an end to the command, when the time is over."""
        ...

    async def attach(self, container_id: str, streams: Streams, *, is_terminal: bool) -> None:
        """Join a client with the streams of the container's own process until either ends."""
        ...

    async def stop_container(self, container_id: str, grace_seconds: float) -> None:
        """Ask it to end (SIGTERM), make it end when the grace is over (SIGKILL), return when it has ended:
        another stop may hasten that.
        """
        ...

    async def remove_container(self, container_id: str) -> None:
        """Forget a container that has ended, its log with it."""
        ...

    async def update_resources(self, container_id: str, resources: Resources) -> None:
        """Change the limits of a running container."""
        ...

    async def reopen_log(self, container_id: str) -> None:
        """Write on at `log_path`, after the file there was moved aside."""
        ...

    async def stats(self, pod_uid: str) -> Sequence[ContainerStats]:
        """What the pod's running containers have used."""
        ...

    def pretended_probe(self, container_id: str, kind: str, action: Mapping[str, Any]) -> bool | None:
        """How asking ends where it is only pretended; None: the container can be asked. kind: liveness ...,
        postStart ...; action: the probe or hook, as the pod's spec has it.
        """
        ...
