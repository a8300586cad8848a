"""Shell: reads the objects that `-f` names: a file, a folder of files, or `-` for standard input."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from cli.errors import CliError
from kube.api.meta import Object
from kube.api.resources import Resource, by_kind

SUFFIXES = (".yaml", ".yml", ".json")


def read(sources: Sequence[str]) -> list[tuple[Resource, Object]]:
    """Every object of the sources with the resource it belongs to, lists taken apart, in their order."""
    objects = [o for source in sources for text, where in _texts(source) for o in _objects(text, where)]
    if not objects:
        raise CliError(f"no objects found in {', '.join(sources)}")
    return objects


def _texts(source: str) -> Iterator[tuple[str, str]]:
    if source == "-":
        yield sys.stdin.read(), "standard input"
        return
    path = Path(source)
    paths = sorted(each for each in path.iterdir() if each.suffix in SUFFIXES) if path.is_dir() else [path]
    for each in paths:
        try:
            yield each.read_text(), str(each)
        except (OSError, UnicodeDecodeError) as error:
            raise CliError(f"cannot read {each}: {getattr(error, 'strerror', None) or error}") from error


def _objects(text: str, where: str) -> Iterator[tuple[Resource, Object]]:
    try:
        documents = list(yaml.safe_load_all(text))
    except yaml.YAMLError as error:
        raise CliError(f"{where} is neither YAML nor JSON: {error}") from error
    for document in documents:
        if document is not None:
            yield from _flatten(document, where)


def _flatten(document: Any, where: str) -> Iterator[tuple[Resource, Object]]:
    if not isinstance(document, dict) or not document.get("kind") or not document.get("apiVersion"):
        raise CliError(f"{where}: every object needs an apiVersion and a kind")
    if document["kind"] == "List":
        for item in document.get("items") or []:
            yield from _flatten(item, where)
        return
    resource = by_kind(document["apiVersion"], document["kind"])
    if resource is None:
        raise CliError(
            f'{where}: no matches for kind "{document["kind"]}" in version "{document["apiVersion"]}"'
        )
    yield resource, document
