"""Core: a pod as the checks see it, and how they name what is wrong with it.

After: k8s staging/src/k8s.io/pod-security-admission/policy/{visitor,helpers,checks}.go
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kube.api import meta

Part = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod, or the template of one.

    annotations: of its metadata; the oldest versions of the standards look there.
    """

    annotations: Mapping[str, str]
    spec: Part

    @classmethod
    def of(cls, o: Part) -> Pod:
        """From anything that has metadata and a spec."""
        return cls(meta.annotations(o), o.get("spec") or {})

    def containers(self) -> Iterator[Part]:
        """All of them, in the order in which they are named."""
        for field in ("initContainers", "containers", "ephemeralContainers"):
            yield from self.spec.get(field) or ()

    def named(self, is_bad: Callable[[Part], object]) -> list[str]:
        """The names of the containers of which that is true."""
        return [str(each.get("name")) for each in self.containers() if is_bad(each)]

    def setters(self, is_bad: Callable[[Part], object]) -> list[str]:
        """Who sets something bad in the securityContext: `pod`, and the containers together."""
        setters = ["pod"] if is_bad(self.spec) else []
        if names := self.named(is_bad):
            setters.append(counted("container", names))
        return setters


def context(part: Part, *path: str) -> Any:
    """A field of the securityContext of a container, or of the pod; None where it is not set."""
    return meta.get(part, "securityContext", *path)


@dataclass(frozen=True, slots=True)
class Violation:
    """One check that failed: why in few words, and what exactly."""

    reason: str
    detail: str

    def __str__(self) -> str:
        return f"{self.reason} ({self.detail})" if self.detail else self.reason


Check = Callable[[Pod], Violation | None]


def details(violations: Iterable[Violation]) -> str:
    """What is said of one pod."""
    return ", ".join(map(str, violations))


def reasons(violations: Iterable[Violation]) -> str:
    """What is said of many at once."""
    return ", ".join(each.reason for each in violations)


def quoted(values: Iterable[str]) -> str:
    """`"a", "b"`; nothing is escaped."""
    return ", ".join(f'"{each}"' for each in values)


def distinct(values: Iterable[str]) -> str:
    """The same, each once and in order."""
    return quoted(sorted(set(values)))


def plural(word: str, things: Collection[object]) -> str:
    """`container`, or `containers`."""
    return word if len(things) == 1 else f"{word}s"


def counted(word: str, names: Collection[str]) -> str:
    """`container "a"`, or `containers "a", "b"`."""
    return f"{plural(word, names)} {quoted(names)}"
