"""Core: names that are made up: a base and five random characters.

After: k8s staging/src/k8s.io/apiserver/pkg/storage/names/generate.go
"""

from __future__ import annotations

from collections.abc import Callable

from kube.api import hashing

BASE_LENGTH_MAX = 58


def generate_name(base: str, chooser: Callable[[str], str]) -> str:
    """A name from generateName and characters that a Random's `choice` chooses."""
    return base[:BASE_LENGTH_MAX] + hashing.random_suffix(chooser)
