"""Shell: what happens to a write between its decoding and its storage: the plug-ins, one after the other.

    decode -> default -> mutating plug-ins -> allotting ones -> prepare, validate -> validating ones -> store

A mutating plug-in has `admit(attributes, object, old)` and may change the object; a validating one has
`validate(...)` and sees what would be stored. Either may raise a StatusError to refuse. plugins.py has the
lists. The mutating ones run again, once, where one that runs late says in `attributes.rounds` that it has
changed what the others had seen; those that allot something (addresses) come after that, and but once. One
that keeps account of more than the object leaves a function in `attributes.afterwards`, to be told whether
the write has happened.

After: k8s staging/src/k8s.io/apiserver/pkg/admission/{chain,interfaces,reinvocation}.go
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from apiserver.authentication.user import User
from apiserver.storage.interface import KeyExists, Refused, Stale
from kube.api.errors import StatusError
from kube.api.meta import Object
from kube.api.resources import Resource

P = ParamSpec("P")
T = TypeVar("T")

CREATE, UPDATE, DELETE, CONNECT = "CREATE", "UPDATE", "DELETE", "CONNECT"


@dataclass(slots=True)
class Rounds:
    """How often the mutating plug-ins have seen the object.

    number: 0 the first time, 1 when they run again.
    is_needed: they are to run again.
    notes: what a plug-in wants to know in the second round of the first, under its name.
    """

    number: int = 0
    is_needed: bool = False
    notes: dict[str, Any] = field(default_factory=dict)

    def begin(self) -> None:
        """Forget an attempt that was not stored."""
        self.number, self.is_needed = 0, False
        self.notes.clear()


@dataclass(frozen=True, slots=True)
class Attributes:
    """Who does what to which object.

    field_manager: the name under which the writer owns fields; empty: nobody keeps account.
    server_side_apply: the handler has kept account already.
    admitted: the handler has asked the plug-ins already, about what the client sent; the write that follows
      from it is asked about no more.
    warnings: what the client is told beside the answer, each text once.
    annotations: what the audit log is told, by its key.
    afterwards: who wants to know whether it happened; each attempt fills and empties it.
    requested: the kind in the version the client speaks, where that may be another than `resource`.
    options: what the client asks for beside the object (fieldManager, dryRun ...), for those who judge.
    has_generated_name: the name is ours, after the object's generateName.
    rounds: how often the mutating plug-ins have seen the object.
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
    admitted: bool = False
    warnings: list[str] = field(default_factory=list, compare=False)
    annotations: dict[str, str] = field(default_factory=dict, compare=False)
    afterwards: list[Callable[[bool], Awaitable[None]]] = field(default_factory=list, compare=False)
    requested: Resource | None = None
    options: Mapping[str, Any] = field(default_factory=dict, compare=False)
    has_generated_name: bool = False
    rounds: Rounds = field(default_factory=Rounds, compare=False)


class Mutating(Protocol):
    """A rule that may change what comes in."""

    async def admit(self, attributes: Attributes, o: Object, old: Object | None) -> None:
        """Change `o` in place, or raise a StatusError to refuse it; for a DELETE `o` is what would go."""


class Validating(Protocol):
    """A rule about what would be stored."""

    async def validate(self, attributes: Attributes, o: Object, old: Object | None) -> None:
        """Raise a StatusError to refuse `o`; for a DELETE `o` is what would go."""


@dataclass(frozen=True, slots=True)
class Chain:
    """Plug-ins in order."""

    mutating: Sequence[Mutating] = ()
    validating: Sequence[Validating] = ()
    allotting: Sequence[Mutating] = ()

    async def admit(self, attributes: Attributes, o: Object, old: Object | None = None) -> None:
        """Let the mutating plug-ins have their way, a second time where one asks for that."""
        if attributes.admitted:
            return
        rounds = attributes.rounds
        rounds.begin()
        for plugin in self.mutating:
            await plugin.admit(attributes, o, old)
        if rounds.is_needed:
            rounds.number = 1
            for plugin in self.mutating:
                await plugin.admit(attributes, o, old)
        for plugin in self.allotting:
            await plugin.admit(attributes, o, old)

    async def validate(self, attributes: Attributes, o: Object, old: Object | None = None) -> None:
        """Ask the validating plug-ins."""
        if not attributes.admitted:
            for plugin in self.validating:
                await plugin.validate(attributes, o, old)

    async def ask(self, attributes: Attributes, o: Object) -> None:
        """Both, about what is not stored itself: a Binding, a TokenRequest, the options of an exec."""
        await self.admit(attributes, o)
        await self.validate(attributes, o)


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
