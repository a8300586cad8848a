"""Shell: what happens to a write between its decoding and its validation: the plug-ins, one after the
other.

A plug-in is an object with `admit(attributes, object, old)`: it may change the object (mutating) or raise a
StatusError. The chain is the list that main.py builds, in Kubernetes' order. One that keeps account of more
than the object leaves a function in `attributes.afterwards`, to be told whether the write has happened.

After: k8s staging/src/k8s.io/apiserver/pkg/admission/chain.go
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from apiserver.authentication.user import User
from apiserver.storage.interface import KeyExists, Refused, Stale
from kube.api.errors import StatusError
from kube.api.meta import Object
from kube.api.resources import Resource

P = ParamSpec("P")
T = TypeVar("T")

CREATE, UPDATE, DELETE = "CREATE", "UPDATE", "DELETE"


@dataclass(frozen=True, slots=True)
class Attributes:
    """Who does what to which object.

    field_manager: the name under which the writer owns fields; empty: nobody keeps account.
    server_side_apply: the handler has kept account already.
    afterwards: who wants to know whether it happened; each attempt fills and empties it.
    """

    operation: str
    resource: Resource
    namespace: str
    name: str
    user: User
    subresource: str = ""
    dry_run: bool = False
    field_manager: str = ""
    server_side_apply: bool = False
    afterwards: list[Callable[[bool], Awaitable[None]]] = field(default_factory=list, compare=False)


class Plugin(Protocol):
    """One rule."""

    async def admit(self, attributes: Attributes, o: Object, old: Object | None) -> None:
        """Change `o` in place, or raise a StatusError to refuse it; for a DELETE `o` is what would go."""


@dataclass(frozen=True, slots=True)
class Chain:
    """Plug-ins in order."""

    plugins: Sequence[Plugin]

    async def admit(self, attributes: Attributes, o: Object, old: Object | None = None) -> None:
        for plugin in self.plugins:
            await plugin.admit(attributes, o, old)


Write = Callable[Concatenate[Any, Attributes, P], Awaitable[T]]


def settling(write: Write[P, T]) -> Write[P, T]:
    """A method that admits and writes: the plug-ins hear if it happened, and nothing if nobody knows."""

    @functools.wraps(write)
    async def settled(self: Any, attributes: Attributes, /, *args: P.args, **kwargs: P.kwargs) -> T:
        attributes.afterwards.clear()
        try:
            result = await write(self, attributes, *args, **kwargs)
        except (StatusError, KeyExists, Stale, Refused):
            await _tell(attributes, False)
            raise
        await _tell(attributes, True)
        return result

    return settled


async def _tell(attributes: Attributes, happened: bool) -> None:
    while attributes.afterwards:
        await attributes.afterwards.pop()(happened)
