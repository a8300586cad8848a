"""Core: one state of an object as the cache keeps it: its encoded bytes, and the little that selectors need.

The revision is written into the bytes that the store has, which costs a copy; encoding the object again
would cost several times that, and leave bytes in up to twice the memory (orjson keeps its spare room).
What many objects have in common, such as the name of a node, is kept once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from sys import intern
from typing import Any

import orjson

from kube.api import meta
from kube.api.fields import selectable_fields
from kube.api.meta import Object
from kube.api.resources import Resource


@dataclass(frozen=True, slots=True)
class Entry:
    """A state of an object; its bytes have the resourceVersion in them."""

    key: str
    revision: int
    data: bytes
    labels: dict[str, str]
    fields: dict[str, str]

    def decode(self) -> Object:
        """A fresh object that the caller may change."""
        decoded: Object = orjson.loads(self.data)
        return decoded


Match = Callable[[Entry], bool]


class EntryMaker:
    """Makes the entries of one kind."""

    def __init__(self, resource: Resource) -> None:
        self._resource = resource
        opening = b'{"apiVersion":"%b","kind":"%b","metadata":{'
        self._opening = opening % (resource.api_version.encode(), resource.kind.encode())

    def make(self, key: str, value: bytes, revision: int) -> Entry:
        """The entry of a value as the store has it, without a resourceVersion."""
        o: Object = orjson.loads(value)
        data = self._stamped(value, o, revision)
        labels = {intern(name): intern(text) for name, text in meta.labels(o).items()}
        fields = {name: intern(text) for name, text in selectable_fields(self._resource, o).items()}
        return Entry(key, revision, data, labels, fields)

    def at(self, entry: Entry, revision: int) -> Entry:
        """The same state under another revision, as a deletion shows it."""
        return Entry(entry.key, revision, self.data_at(entry, revision), entry.labels, entry.fields)

    def data_at(self, entry: Entry, revision: int) -> bytes:
        """The bytes of an entry under another revision."""
        begin = self._opening + _version(entry.revision)
        if entry.data.startswith(begin):
            return b"".join((self._opening, _version(revision), memoryview(entry.data)[len(begin) :]))
        return _encoded(entry.decode(), revision)

    def _stamped(self, value: bytes, o: Object, revision: int) -> bytes:
        """The value with its revision as the first thing in its metadata."""
        metadata = o["metadata"]
        if value.startswith(self._opening) and metadata and "resourceVersion" not in metadata:
            return b"".join((self._opening, _version(revision), memoryview(value)[len(self._opening) :]))
        return _encoded(o, revision)


def _version(revision: int) -> bytes:
    return b'"resourceVersion":"%d",' % revision


def _encoded(o: dict[str, Any], revision: int) -> bytes:
    """The object with its revision, in bytes of no more room than they need."""
    o["metadata"]["resourceVersion"] = str(revision)
    return bytes(memoryview(orjson.dumps(o)))
