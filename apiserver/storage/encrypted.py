"""Shell: a Storage that encrypts the values of some kinds on their way to the store, and decrypts what comes.

    k8s:enc:aesgcm:v1:<key name>: <12 bytes, never twice> <ciphertext, with 16 bytes that prove it>

The key under which a value is stored is part of the proof: a value that somebody moves to another place
cannot be read there. What was encrypted with another key than the first, or not at all, is `is_stale`: the
next write, even one that changes nothing, encrypts it anew.

After: k8s staging/src/k8s.io/apiserver/pkg/storage/value/{transformer.go,encrypt/aes/aes.go}
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from pathlib import Path

import yaml
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from apiserver.storage.encryption_config import ConfigError, Key, Keys, parse
from apiserver.storage.interface import Change, Changes, Page, Stale, Storage, Stored, Unreadable
from kube.api.resources import RESOURCES
from kube.base.run import StartupError

ENCRYPTED = b"k8s:enc:"
PREFIX = ENCRYPTED + b"aesgcm:v1:%b:"
NONCE_BYTES = 12


class Cipher:
    """The keys for one kind."""

    def __init__(self, keys: Keys, new_nonce: Callable[[int], bytes] = os.urandom) -> None:
        self._new_nonce = new_nonce
        self._first = keys[0]
        self._reads_plain = any(not key.secret for key in keys)
        self._known = {_prefix(key): AESGCM(key.secret) for key in keys if key.secret}

    def seal(self, key: str, value: bytes) -> bytes:
        """The value as it is stored under a key."""
        if not self._first.secret:
            return value
        prefix, nonce = _prefix(self._first), self._new_nonce(NONCE_BYTES)
        return prefix + nonce + self._known[prefix].encrypt(nonce, value, key.encode())

    def open(self, key: str, raw: bytes) -> tuple[bytes, bool]:
        """The value, and whether it should be written anew; raises Unreadable."""
        if not raw.startswith(ENCRYPTED):
            if not self._reads_plain:
                raise Unreadable(key, "it is not encrypted, and no provider is identity")
            return raw, bool(self._first.secret)
        for prefix, cipher in self._known.items():
            if raw.startswith(prefix):
                sealed = raw[len(prefix) :]
                try:
                    value = cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], key.encode())
                except (InvalidTag, ValueError):
                    name = prefix.split(b":")[-2].decode()
                    raise Unreadable(key, f"key {name!r} does not fit, or the value was changed") from None
                return value, prefix != _prefix(self._first)
        missing = raw[:200].split(b":", 5)[:5][-1].decode(errors="replace")
        raise Unreadable(key, f"no matching prefix found: there is no key {missing!r}")


def _prefix(key: Key) -> bytes:
    return PREFIX % key.name.encode()


class EncryptedStorage:
    """`ciphers`: where a kind is kept -> its cipher; the values of all others pass as they are."""

    def __init__(self, inner: Storage, ciphers: Mapping[str, Cipher]) -> None:
        self._inner, self._ciphers = inner, ciphers

    def _cipher(self, key: str) -> Cipher | None:
        """That of the kind whose key this is; prefixes have two segments or three."""
        end = key.find("/", 1)
        for _ in range(2):
            end = key.find("/", end + 1)
            if end < 0:
                return None
            if (found := self._ciphers.get(key[: end + 1])) is not None:
                return found
        return None

    def _sealed(self, key: str, value: bytes) -> bytes:
        cipher = self._cipher(key)
        return value if cipher is None else cipher.seal(key, value)

    def _opened(self, stored: Stored) -> Stored:
        """Raises Unreadable."""
        cipher = self._cipher(stored.key)
        if cipher is None:
            return stored
        value, is_stale = cipher.open(stored.key, stored.value)
        return replace(stored, value=value, is_stale=is_stale)

    async def get(self, key: str) -> Stored | None:
        stored = await self._inner.get(key)
        return stored and self._opened(stored)

    async def create(self, key: str, value: bytes, ttl_seconds: int = 0) -> int:
        return await self._inner.create(key, self._sealed(key, value), ttl_seconds)

    async def update(self, key: str, value: bytes, expected_revision: int, ttl_seconds: int = 0) -> int:
        try:
            return await self._inner.update(key, self._sealed(key, value), expected_revision, ttl_seconds)
        except Stale as stale:
            raise self._opened_stale(stale) from None

    async def delete(self, key: str, expected_revision: int) -> int:
        try:
            return await self._inner.delete(key, expected_revision)
        except Stale as stale:
            raise self._opened_stale(stale) from None

    def _opened_stale(self, stale: Stale) -> Stale:
        return Stale(stale.current and self._opened(stale.current))

    async def list(self, prefix: str, start: str = "", limit: int = 0, revision: int = 0) -> Page:
        page = await self._inner.list(prefix, start, limit, revision)
        return replace(page, items=[self._shown(each) for each in page.items])

    def _shown(self, stored: Stored) -> Stored:
        """One of a list, which goes on whatever becomes of one."""
        try:
            return self._opened(stored)
        except Unreadable as error:
            return replace(stored, value=b"", unreadable=error.why)

    async def current_revision(self) -> int:
        return await self._inner.current_revision()

    async def watch(self, start_revision: int) -> AsyncIterator[Changes]:
        async for changes in self._inner.watch(start_revision):
            yield replace(changes, changes=[self._changed(each) for each in changes.changes])

    def _changed(self, change: Change) -> Change:
        cipher = self._cipher(change.key)
        if cipher is None or change.value is None:
            return change
        try:
            return replace(change, value=cipher.open(change.key, change.value)[0])
        except Unreadable as error:
            return replace(change, value=b"", unreadable=error.why)

    async def compact(self, revision: int) -> None:
        await self._inner.compact(revision)


def load(path: str) -> dict[str, Cipher]:
    """The ciphers that a configuration asks for; StartupError names the file and the field."""
    flag = f"--encryption-provider-config {path}"
    try:
        document = yaml.safe_load(Path(path).read_text())
        keys = parse(document, (each for each in RESOURCES if "list" in each.verbs))
    except OSError as error:
        raise StartupError(f"{flag}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise StartupError(f"{flag}: no YAML: {error}") from error
    except ConfigError as error:
        raise StartupError(f"{flag}: {error}") from error
    return {prefix: Cipher(each) for prefix, each in keys.items()}
