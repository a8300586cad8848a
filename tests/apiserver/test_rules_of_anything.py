"""Whatever fits the schema is accepted or refused: no rule stumbles over what is missing, empty or odd."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from apiserver.registry import status
from apiserver.registry.kinds import STRATEGIES, strategy_of
from apiserver.registry.validation import validate_create, validate_update
from kube.api import meta
from kube.api.defaults import apply_defaults
from kube.api.errors import StatusError
from kube.api.resources import RESOURCES, Resource
from kube.api.schema import Schemas, Type

KINDS = [each for each in RESOURCES if each.qualified in STRATEGIES and Schemas.load().type_of(each.gvk)]
TEXTS = (
    "",
    "a",
    "a b",
    "A",
    "a/b",
    "..",
    "1.2.3.4",
    "::1",
    "Always",
    "Never",
    "None",
    "In",
    "Exists",
    "80",
    "*",
)
MORE_TEXTS = (
    "metadata.name",
    "RollingUpdate",
    "NodePort",
    "Localhost",
    "Indexed",
    "* * * * *",
    "0-1",
    "hugepages-2Mi",
)
DEPTH_MAX = 9


class Anything:
    """Makes values of any type; most fields are left out."""

    def __init__(self, random: Random) -> None:
        self.random = random

    def value(self, of: Type, depth: int = 0) -> Any:
        random = self.random
        match of.kind:
            case "struct":
                chance = 0.7 if depth < 3 else 0.25
                fields = {} if depth > DEPTH_MAX else of.fields
                return {
                    key: self.value(each, depth + 1)
                    for key, each in fields.items()
                    if random.random() < chance
                }
            case "map" if of.item is not None:
                return {
                    random.choice(TEXTS): self.value(of.item, depth + 1) for _ in range(random.randrange(3))
                }
            case "list" if of.item is not None:
                return [self.value(of.item, depth + 1) for _ in range(random.randrange(3))]
            case "integer":
                return random.choice((-1, 0, 1, 2, 80, 70000, 2**31))
            case "number":
                return random.choice((-1.5, 0, 3))
            case "boolean":
                return random.random() < 0.5
            case "quantity":
                return random.choice(("0", "1", "-1", "100m", "3Mi"))
            case "int-or-string":
                return random.choice((0, 1, -1, "", "25%", "101%", "web"))
            case "time" | "micro-time":
                return "2030-01-01T00:00:00Z"
            case "bytes":
                return "YQ=="
        return random.choice(TEXTS + MORE_TEXTS)


def stored(resource: Resource, random: Random, before: Any = None) -> Any:
    """An object as it stands before it is looked at; perhaps it is a change of another."""
    root = Schemas.load().type_of(resource.gvk)
    assert root is not None
    o = Anything(random).value(root) | {"apiVersion": resource.api_version, "kind": resource.kind}
    if before is not None:
        o = {key: random.choice((o, before)).get(key, value) for key, value in (before | o).items()}
    o["metadata"] = {"name": "a", "namespace": "default" if resource.namespaced else "", "uid": "u"}
    o["metadata"] |= {"creationTimestamp": "2030-01-01T00:00:00Z"}
    o = meta.deep_copy(o)
    try:
        Schemas.load().prune(resource.gvk, o)
    except StatusError:
        reject()  # a number that has no room in its field, say: no rule is asked about it
    return o


def is_judged(check: Callable[..., None], *values: Any) -> bool:
    """Run a check: True where it accepts, or refuses with 422."""
    try:
        check(*values)
    except StatusError as error:
        return error.code == 422
    return True


@pytest.mark.parametrize("resource", KINDS, ids=lambda each: each.qualified + "." + each.version)
@given(seed=st.integers(0, 2**32))
@settings(max_examples=10, deadline=None)
def test_no_rule_stumbles(resource: Resource, seed: int) -> None:
    random = Random(seed)
    new = stored(resource, random)
    status.prepare_create(resource, new)
    apply_defaults(resource, new)
    strategy_of(resource).prepare_create(new)
    assert is_judged(validate_create, resource, new)
    for subresource in ("", *strategy_of(resource).subresources):
        changed = stored(resource, random, new)
        status.prepare_update(resource, subresource, changed, new)
        apply_defaults(resource, changed)
        if not subresource:
            strategy_of(resource).prepare_update(changed, new)
        assert is_judged(validate_update, resource, changed, new, subresource)
