"""Core: what a describer sees: the object, what belongs to it, its events, and now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from kube.api import table
from kube.api.meta import Object


@dataclass(frozen=True, slots=True)
class View:
    """`related` holds, by plural, the other objects the description tells of."""

    object: Object
    now: datetime
    events: Sequence[Object] = ()
    related: Mapping[str, Sequence[Object]] = field(default_factory=dict)

    def age(self, text: str) -> str:
        return table.age(text, self.now)
