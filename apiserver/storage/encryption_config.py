"""Core: the file of --encryption-provider-config: which objects are encrypted in the store, and how.

    kind: EncryptionConfiguration
    apiVersion: apiserver.config.k8s.io/v1
    resources:
    - resources: [secrets, "*.apps"]       the first entry that names a kind is the one for it
      providers:                           the first writes, all read
      - aesgcm: {keys: [{name: key1, secret: <base64 of 16, 24 or 32 bytes>}]}
      - identity: {}

Absent: aescbc (which Kubernetes advises against), secretbox and kms.
After: k8s staging/src/k8s.io/apiserver/pkg/apis/apiserver/v1/types_encryption.go and
validation/validation_encryption.go
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from kube.api.resources import Resource

API_VERSION, KIND = "apiserver.config.k8s.io/v1", "EncryptionConfiguration"
IDENTITY, AES_GCM = "identity", "aesgcm"
KEY_BYTES = (16, 24, 32)
ALL = "*"


class ConfigError(Exception):
    """What is wrong, beginning with the field."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key and its name, which stands before what it has encrypted; without bytes: the value as it is."""

    name: str
    secret: bytes = b""


PLAIN = Key("")
# The keys for a kind: the first writes, all read.
Keys = tuple[Key, ...]


def parse(document: Any, kinds: Iterable[Resource]) -> dict[str, Keys]:
    """Where a kind is kept -> its keys; raises ConfigError."""
    if not isinstance(document, Mapping) or (document.get("kind"), document.get("apiVersion")) != (
        KIND,
        API_VERSION,
    ):
        raise ConfigError(f"not an {KIND} of {API_VERSION}")
    served, found = list(kinds), dict[str, Keys]()
    for index, entry in enumerate(_list(document, "resources", "")):
        path = f"resources[{index}]"
        names = _list(entry, "resources", path)
        keys = _keys(entry, path)
        for position, name in enumerate(names):
            chosen = [each for each in served if _means(name, each)]
            if not chosen:
                raise ConfigError(f"{path}.resources[{position}]: {name!r} is no kind that is stored here")
            for each in chosen:
                found.setdefault(each.storage_prefix() + "/", keys)
    return found


def _means(name: Any, resource: Resource) -> bool:
    """`secrets`, `deployments.apps`, `*.apps`, `*.` (the core group), `*.*`."""
    plural, dot, group = str(name).partition(".")
    if (plural, group) == (ALL, ALL):
        return True
    if plural == ALL and not dot:
        return False
    return plural in (ALL, resource.plural) and group == resource.group


def _keys(entry: Mapping[str, Any], path: str) -> Keys:
    found: list[Key] = []
    for index, provider in enumerate(_list(entry, "providers", path)):
        place = f"{path}.providers[{index}]"
        if not isinstance(provider, Mapping) or len(provider) != 1:
            raise ConfigError(f"{place}: must be exactly one of {AES_GCM}, {IDENTITY}")
        ((kind, said),) = provider.items()
        if kind == IDENTITY:
            found.append(PLAIN)
        elif kind == AES_GCM:
            keys = _list(said or {}, "keys", f"{place}.{kind}")
            found += (_key(each, f"{place}.{kind}.keys[{number}]") for number, each in enumerate(keys))
        else:
            raise ConfigError(f"{place}.{kind}: not supported here; use {AES_GCM} or {IDENTITY}")
    names = [each.name for each in found]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ConfigError(f"{path}.providers: two keys are named {twice!r}")
    return tuple(found)


def _key(said: Any, path: str) -> Key:
    """Nothing of a secret is told."""
    name = said.get("name") if isinstance(said, Mapping) else None
    if not name or not isinstance(name, str) or ":" in name:
        raise ConfigError(f"{path}.name: a text without colons is needed")
    try:
        secret = base64.b64decode(said.get("secret") or "", validate=True)
    except (binascii.Error, ValueError, TypeError):
        raise ConfigError(f"{path}.secret: must be base64 encoded") from None
    if len(secret) not in KEY_BYTES:
        raise ConfigError(f"{path}.secret: must be 16, 24 or 32 bytes, and is {len(secret)}")
    return Key(name, secret)


def _list(said: Any, field: str, path: str) -> list[Any]:
    where = f"{path}.{field}" if path else field
    value = said.get(field) if isinstance(said, Mapping) else None
    if not isinstance(value, list) or not value:
        raise ConfigError(f"{where}: a list with at least one item is needed")
    return value
