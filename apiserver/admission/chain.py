"""Shell: what happens to a write between its decoding and its validation: the plug-ins, one after the
other.

A plug-in is an object with `admit(attributes, object, old)`: it may change the object (mutating) or raise a
StatusError. The chain is the list that main.py builds, in Kubernetes' order.

After: k8s staging/src/k8s.io/apiserver/pkg/admission/chain.go
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from apiserver.authentication.user import User
from kube.api.meta import Object
from kube.api.resources import Resource

CREATE, UPDATE, DELETE = "CREATE", "UPDATE", "DELETE"


@dataclass(frozen=True, slots=True)
class Attributes:
    """Who does what to which object.

    field_manager: the name under which the writer owns fields; empty: nobody keeps account.
    server_side_apply: the handler has kept account already.
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
