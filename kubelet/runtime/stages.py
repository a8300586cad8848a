"""Core: what a fake container does in its life, read from kubelet/stages/*.yaml.

    created --start_seconds--> running --(exit_after_seconds)--> exited with exit_code
                                  '--SIGTERM, stop_seconds--> exited with 0; 137 if the grace ends first

After: KWOK's stages (kustomize/stage), which are states of pods; these are states of containers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from kube.api import quantity

# Of a pod; with `.<container>` at the end of one of its containers.
ANNOTATION = "kubelite/stage"
CPU_ANNOTATION = "kubelite/cpu-usage"
MEMORY_ANNOTATION = "kubelite/memory-usage"


class UnknownStage(ValueError):
    """An annotation names a stage that does not exist."""


@dataclass(frozen=True, slots=True)
class ProbeTimes:
    """When a pretended probe succeeds, in seconds since the container's start; None: to its end."""

    after: float = 0.0
    until: float | None = None

    def succeeds(self, seconds: float) -> bool:
        return seconds >= self.after and (self.until is None or seconds < self.until)


@dataclass(frozen=True, slots=True)
class Stage:
    """One row of the image table.

    page: names an HTTP page served on the container's ports (else default_ports).
    command_line: of the container's own process, where the pod says none; only `ps` shows it.
    has_programs: whether there is more in the image than that process, for `kubectl exec`.
    entrypoint: the program that runs where the pod says none; such an image has no other programs than those
    of programs/table.py, and a command that is none of them cannot start.
    probes: by kind (startup, readiness, liveness), for those that are not asked at all.
    pull_error: why the image cannot be had, with {image} in it.
    exit_reason: of its end, where that is not Completed or Error.
    cpu, memory: what it uses all the time, as quantities.
    """

    name: str
    images: Sequence[str]
    pull_seconds: float = 0.3
    start_seconds: float = 0.3
    stop_seconds: float = 0.5
    exit_after_seconds: float | None = None
    exit_code: int = 0
    page: str | None = None
    default_ports: Sequence[int] = ()
    log: Sequence[str] = ()
    command_line: str = "sh"
    has_programs: bool = True
    entrypoint: Sequence[str] = ()
    probes: Mapping[str, ProbeTimes] = field(default_factory=dict)
    pull_error: str = ""
    exit_reason: str = ""
    cpu: str = "1m"
    memory: str = "8Mi"

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> Stage:
        probes = {kind: ProbeTimes(**times) for kind, times in document.get("probes", {}).items()}
        return cls(**{**document, "probes": probes})


@dataclass(frozen=True, slots=True)
class Stages:
    """The table; the last row must match every image."""

    rows: Sequence[Stage]

    @classmethod
    def parse(cls, documents: Sequence[Mapping[str, Any]]) -> Stages:
        return cls(tuple(Stage.parse(document) for document in documents))

    def of(self, image: str, annotations: Mapping[str, str], container: str = "") -> Stage:
        """The stage an annotation names for the container or its pod, or the first whose patterns match the
        image; UnknownStage where there is none of that name.
        """
        wanted = _annotation(annotations, ANNOTATION, container)
        repository = repository_of(image)
        if not wanted:
            return next(row for row in self.rows if any(fnmatchcase(repository, each) for each in row.images))
        for row in self.rows:
            if row.name == wanted:
                return row
        known = ", ".join(row.name for row in self.rows)
        raise UnknownStage(f'annotation {ANNOTATION}: there is no stage "{wanted}", only {known}')


@dataclass(frozen=True, slots=True)
class Usage:
    """What a container uses all the time: nanoseconds of processor a second, bytes of memory."""

    cpu_nanoseconds: int
    memory_bytes: int


def usage(stage: Stage, annotations: Mapping[str, str], container: str) -> Usage:
    """As annotations say it for the container or its pod, or its stage; what is no quantity says nothing."""
    cpu, memory = (
        _quantity(_annotation(annotations, name, container), otherwise)
        for name, otherwise in ((CPU_ANNOTATION, stage.cpu), (MEMORY_ANNOTATION, stage.memory))
    )
    return Usage(int(cpu.amount * 1_000_000_000), int(memory.amount))


def usage_annotations(annotations: Mapping[str, str]) -> dict[str, str]:
    """Those that say how much is used."""
    return {
        key: value
        for key, value in annotations.items()
        if key.startswith((CPU_ANNOTATION, MEMORY_ANNOTATION))
    }


def _annotation(annotations: Mapping[str, str], name: str, container: str) -> str | None:
    return annotations.get(f"{name}.{container}", annotations.get(name))


def _quantity(text: str | None, otherwise: str) -> quantity.Quantity:
    try:
        return quantity.parse(otherwise if text is None else text)
    except ValueError:
        return quantity.parse(otherwise)


def repository_of(image: str) -> str:
    """`registry.k8s.io/pause:3.10` is `pause`; `nginxinc/nginx-unprivileged@sha256:...` keeps its owner."""
    path = image.partition("@")[0]
    first, slash, rest = path.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        path = rest
    path = path.removeprefix("library/")
    return path.partition(":")[0]
