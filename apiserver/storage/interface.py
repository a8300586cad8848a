"""Core: what the API server asks of a store, as a Protocol.

Keys are `/registry/<plural>/<namespace>/<name>`, values are JSON without a resourceVersion: the store's
mod_revision is the object's resourceVersion. Every write is guarded by the revision the writer saw, so that
nobody overwrites what he has not read.

Invariants: revisions grow; a watch delivers every revision once and in order, whole revisions at a time.
Absent: objects, kinds and versions; this layer moves bytes.
After: k8s staging/src/k8s.io/apiserver/pkg/storage/interfaces.go
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol


class StorageError(Exception):
    """The root of what a store may refuse."""


class KeyExists(StorageError):
    """A create found the key taken."""


class Stale(StorageError):
    """A guarded write found another revision; `current` is what stands there now, None when it is gone."""

    def __init__(self, current: Stored | None) -> None:
        super().__init__("the key has another revision")
        self.current = current


class Compacted(StorageError):
    """The revision asked for is no longer kept."""


class Unavailable(StorageError):
    """No member of the store answered in time; a write may or may not have happened."""


class Refused(Unavailable):
    """The store answered no, in its own words, and surely did nothing: it is full, or knows us not."""


class Unreadable(StorageError):
    """A value was encrypted with a key that we have not, or was changed since."""

    def __init__(self, key: str, why: str) -> None:
        super().__init__(f'unable to transform key "{key}": {why}')
        self.why = why


@dataclass(frozen=True, slots=True)
class Stored:
    """One key: its value and the revision of its last change.

    is_stale: it is not encrypted as it would be today.
    unreadable: why there is no value.
    """

    key: str
    value: bytes
    revision: int
    is_stale: bool = False
    unreadable: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """Part of a range at one revision; `remaining` counts the keys after it."""

    items: list[Stored]
    revision: int
    remaining: int


@dataclass(frozen=True, slots=True)
class Change:
    """A key got a value, or lost it (`value` is None), at a revision; unreadable: why it cannot be told."""

    key: str
    value: bytes | None
    revision: int
    unreadable: str = ""


@dataclass(frozen=True, slots=True)
class Changes:
    """All changes up to and including `revision` that the watcher has not yet seen."""

    revision: int
    changes: list[Change]


class Storage(Protocol):
    """A revisioned key-value store."""

    async def get(self, key: str) -> Stored | None:
        """The key as of now, linearizable."""

    async def create(self, key: str, value: bytes, ttl_seconds: int = 0) -> int:
        """The revision at which the key came to be; raises KeyExists."""

    async def update(self, key: str, value: bytes, expected_revision: int, ttl_seconds: int = 0) -> int:
        """The new revision; raises Stale when the key is not at `expected_revision`."""

    async def delete(self, key: str, expected_revision: int) -> int:
        """The revision of the deletion; raises Stale when the key is not at `expected_revision`."""

    async def list(self, prefix: str, start: str = "", limit: int = 0, revision: int = 0) -> Page:
        """Keys with the prefix, from `start` on, at a revision (0: now); raises Compacted."""

    async def current_revision(self) -> int:
        """A revision not older than any write acknowledged before this call."""

    def watch(self, start_revision: int) -> AsyncIterator[Changes]:
        """Every change of every key from `start_revision` on; raises Compacted, resumes by itself."""

    async def compact(self, revision: int) -> None:
        """Forget what was before the revision."""
