"""Core: how strict a namespace is with its pods, as its labels say.

    pod-security.kubernetes.io/enforce: restricted       pods that violate it are refused
    pod-security.kubernetes.io/audit: restricted         the audit log tells of them
    pod-security.kubernetes.io/warn: restricted          so does the answer
    pod-security.kubernetes.io/enforce-version: v1.30    the standard as it was then; latest otherwise

A label that cannot be read refuses too much where it enforces, and says nothing where it would only talk.

After: k8s staging/src/k8s.io/pod-security-admission/api/{constants,helpers}.go, PolicyToEvaluate
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from kube.api.errors import FieldError

PREFIX = "pod-security.kubernetes.io/"
PRIVILEGED, BASELINE, RESTRICTED = LEVELS = ("privileged", "baseline", "restricted")
LATEST = "latest"
ENFORCE, AUDIT, WARN = MODES = ("enforce", "audit", "warn")

Mode = Literal["enforce", "audit", "warn"]

MUST_BE_LEVEL = f"must be one of {', '.join(LEVELS)}"
MUST_BE_VERSION = 'must be "latest" or "v1.x"'
VERSION = re.compile(r"v1\.(0|[1-9][0-9]*)", re.ASCII)


@dataclass(frozen=True, slots=True)
class LevelVersion:
    """A standard at one time.

    minor: of the Kubernetes version whose standard is meant; None: the newest.
    """

    level: str = PRIVILEGED
    minor: int | None = None

    def __str__(self) -> str:
        return f"{self.level}:{LATEST if self.minor is None else f'v1.{self.minor}'}"

    @property
    def is_privileged(self) -> bool:
        return self.level == PRIVILEGED

    def is_stricter_than(self, other: LevelVersion) -> bool:
        """By the level alone."""
        return LEVELS.index(self.level) > LEVELS.index(other.level)

    def is_equivalent(self, other: LevelVersion) -> bool:
        """True for the same demands; privileged has demanded nothing in any version."""
        return self == other or (self.is_privileged and other.is_privileged)


@dataclass(frozen=True, slots=True)
class Policy:
    """What is enforced, what is told the audit log, what is told the client."""

    enforce: LevelVersion = LevelVersion()
    audit: LevelVersion = LevelVersion()
    warn: LevelVersion = LevelVersion()

    @property
    def is_privileged(self) -> bool:
        """True when nothing is demanded, in no mode."""
        return self.enforce.is_privileged and self.audit.is_privileged and self.warn.is_privileged

    def is_equivalent(self, other: Policy) -> bool:
        """True for the same demands in each mode."""
        return (
            self.enforce.is_equivalent(other.enforce)
            and self.audit.is_equivalent(other.audit)
            and self.warn.is_equivalent(other.warn)
        )


def read_version(text: str) -> int | None:
    """The minor version, None for the newest; a ValueError says what it must be."""
    if text == LATEST:
        return None
    match = VERSION.fullmatch(text)
    if match is None:
        raise ValueError(MUST_BE_VERSION)
    return int(match[1])


def read_level(text: str) -> str:
    """The level; a ValueError says what it must be."""
    if text not in LEVELS:
        raise ValueError(MUST_BE_LEVEL)
    return text


def policy_of(labels: Mapping[str, str], defaults: Policy) -> tuple[Policy, list[FieldError]]:
    """What the labels of a namespace say, and which of them cannot be read.

    Who enforces a level and says nothing of warnings is warned of that level: controllers are not refused.
    """
    found: list[FieldError] = []
    enforce = _labelled(labels, ENFORCE, defaults.enforce, RESTRICTED, found)
    is_enforced = labels.get(PREFIX + ENFORCE) in LEVELS
    audit = _labelled(labels, AUDIT, defaults.audit, PRIVILEGED, found)
    warn = _labelled(labels, WARN, defaults.warn, PRIVILEGED, found)
    if is_enforced and PREFIX + WARN not in labels and enforce.is_stricter_than(warn):
        has_version = f"{PREFIX}{WARN}-version" in labels
        warn = LevelVersion(enforce.level, warn.minor if has_version else enforce.minor)
    return Policy(enforce, audit, warn), found


def _labelled(
    labels: Mapping[str, str], mode: str, default: LevelVersion, unreadable: str, found: list[FieldError]
) -> LevelVersion:
    """What is said for one mode; unreadable: the level in place of one that is none."""
    said = default
    key = PREFIX + mode
    if (level := labels.get(key)) is not None:
        try:
            said = replace(said, level=read_level(level))
        except ValueError as error:
            said = replace(said, level=unreadable)
            found.append(FieldError.invalid(f"metadata.labels[{key}]", level, str(error)))
    key = f"{PREFIX}{mode}-version"
    if (version := labels.get(key)) is not None:
        try:
            said = replace(said, minor=read_version(version))
        except ValueError as error:
            said = replace(said, minor=None)
            found.append(FieldError.invalid(f"metadata.labels[{key}]", version, str(error)))
    return said
