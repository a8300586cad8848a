"""Core: the names Kubernetes makes up: the hash of a pod template and the random end of a pod's name.

Both use an alphabet without vowels and without 0, 1 and 3, so that no name ever spells a word. The hash is
FNV-1a (32 bits) over the template as canonical JSON, plus the collision count, written in decimal and
mapped digit by digit into the alphabet.

Absent: equality with the real hash, which is taken over a dump of Go structs.
After: k8s pkg/controller/controller_utils.go, ComputeHash;
staging/src/k8s.io/apimachinery/pkg/util/rand/rand.go, SafeEncodeString.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

ALPHABET = "bcdfghjklmnpqrstvwxz2456789"


def fnv1a_32(data: bytes) -> int:
    """The 32-bit FNV-1a hash."""
    value = 0x811C9DC5
    for byte in data:
        value = (value ^ byte) * 0x01000193 & 0xFFFFFFFF
    return value


def safe_encode(text: str) -> str:
    """The text with each byte mapped into the safe alphabet."""
    return "".join(ALPHABET[byte % len(ALPHABET)] for byte in text.encode())


def template_hash(template: Mapping[str, Any], collision_count: int | None = None) -> str:
    """The hash that tells one version of a template from another."""
    data = json.dumps(template, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    if collision_count is not None:
        data += collision_count.to_bytes(4, "little") + bytes(4)
    return safe_encode(str(fnv1a_32(data)))


def random_suffix(chooser: Callable[[str], str], n: int = 5) -> str:
    """`n` characters of the alphabet, each chosen by `chooser`, such as a Random's `choice`."""
    return "".join(chooser(ALPHABET) for _ in range(n))
