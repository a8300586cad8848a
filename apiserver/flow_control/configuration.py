"""Core: the FlowSchemas and levels to go by, out of all objects that there are.

Two schemas and two levels must always be there, `exempt` and `catch-all`: who deletes one still has it here.
A schema whose level does not exist is passed over, and its condition says so.

After: k8s staging/src/k8s.io/apiserver/pkg/util/flowcontrol/apf_controller.go, digestConfigObjects
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from apiserver import flow_policy
from apiserver.authentication.user import User
from apiserver.flow_control.flow_schema import FlowSchema
from apiserver.flow_control.priority_level import PriorityLevel
from apiserver.request import RequestInfo
from kube.api import meta
from kube.api.meta import Object

CATCH_ALL = "catch-all"
MANDATORY = ("exempt", CATCH_ALL)


@dataclass(frozen=True, slots=True)
class Configuration:
    """Schemas in the order in which they are asked, and levels by name."""

    schemas: tuple[FlowSchema, ...]
    levels: Mapping[str, PriorityLevel]

    @classmethod
    def build(cls, schemas: Iterable[Object], levels: Iterable[Object]) -> Configuration:
        """Read the objects."""
        found = {level.name: level for level in map(PriorityLevel.of, levels)}
        known = {**_mandatory("PriorityLevelConfiguration", PriorityLevel.of), **found}
        named = {schema.name: schema for schema in map(FlowSchema.of, schemas) if schema.level in known}
        usable = {**_mandatory("FlowSchema", FlowSchema.of), **named}
        return cls(tuple(sorted(usable.values(), key=lambda schema: schema.order)), known)

    def schema_of(self, user: User, info: RequestInfo) -> FlowSchema:
        """The first that matches; the last catches everything else, whatever somebody made of its rules."""
        return next((schema for schema in self.schemas if schema.matches(user, info)), self._catch_all())

    def _catch_all(self) -> FlowSchema:
        return next(schema for schema in self.schemas if schema.name == CATCH_ALL)


def _mandatory(kind: str, read: Any) -> dict[str, Any]:
    objects = (o for o in flow_policy.objects("") if o["kind"] == kind and meta.name(o) in MANDATORY)
    return {meta.name(o): read(o) for o in objects}


def with_condition(o: Object, levels: Container[str], now: str) -> Object:
    """A FlowSchema whose status says whether its level exists: the same object where it does already."""
    level = meta.get(o, "spec", "priorityLevelConfiguration", "name", default="")
    wanted = flow_policy.dangling(level, now, is_there=level in levels or level in MANDATORY)
    said = meta.get(o, "status", "conditions", default=None) or []
    if any(_says_the_same(each, wanted) for each in said):
        return o
    others = [each for each in said if each.get("type") != wanted["type"]]
    return {**o, "status": {**(o.get("status") or {}), "conditions": [*others, wanted]}}


def _says_the_same(one: Object, other: Object) -> bool:
    return all(one.get(field) == other[field] for field in ("type", "status", "reason", "message"))
