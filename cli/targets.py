"""Core: which objects a user means by `pods`, `po,svc`, `deploy/nginx` or `pod a b`.

After: k8s staging/src/k8s.io/cli-runtime/pkg/resource/builder.go, ResourceTypeOrNameArgs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cli.errors import CliError
from kube.api.resources import RESOURCES, Resource, by_name


@dataclass(frozen=True, slots=True)
class Target:
    """A resource, and one object of it by name, or all of them."""

    resource: Resource
    name: str | None = None


def parse(words: Sequence[str]) -> list[Target]:
    """The targets of a command's words, in their order."""
    if not words:
        raise CliError("say what: a resource such as pods, a name such as pod/nginx, or a file with -f")
    if any("/" in word for word in words):
        return [_slashed(word) for word in words]
    resources = [resource for word in words[0].split(",") for resource in _resources(word)]
    names: Sequence[str | None] = words[1:] or [None]
    return [Target(resource, name) for resource in resources for name in names]


def named(words: Sequence[str]) -> list[tuple[Resource, str]]:
    """The targets of words that must each name one object."""
    found = []
    for target in parse(words):
        if target.name is None:
            raise CliError(f"name the object: {target.resource.plural}/NAME")
        found.append((target.resource, target.name))
    return found


def _slashed(word: str) -> Target:
    resource, slash, name = word.partition("/")
    if not slash or not name or "/" in name:
        raise CliError(f"{word!r} must be resource/name, as the other words are")
    return Target(_one(resource), name)


def _resources(word: str) -> list[Resource]:
    """One resource by any of its names, or those of a category such as `all`."""
    category = [resource for resource in RESOURCES if word in resource.categories]
    return category or [_one(word)]


def _one(word: str) -> Resource:
    resource = by_name(word)
    if resource is None:
        raise CliError(f'the server doesn\'t have a resource type "{word}"')
    return resource
