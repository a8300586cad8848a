"""The fields of an object in one pass are those of the paths, whatever the object."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kube.api.patch.field_paths import fields_of, to_fields_v1, tree_of
from kube.api.resources import by_kind
from kube.api.schema import Schemas, Type

SCALARS = st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from(["", "a", "b"])
DEPTH = 5


def values(of: Type, depth: int = DEPTH) -> st.SearchStrategy[Any]:
    """Anything of a type: absent fields, empty maps and lists too."""
    if of.kind == "struct":
        some = list(of.fields.items())[:6] if depth else []
        return st.fixed_dictionaries({}, optional={name: values(each, depth - 1) for name, each in some})
    if of.kind == "list" and of.item is not None:
        return st.lists(values(of.item, depth - 1), max_size=2 if depth else 0)
    if of.kind == "map" and of.item is not None:
        keys = st.sampled_from(["x", "y"])
        return st.dictionaries(keys, values(of.item, depth - 1), max_size=2 if depth else 0)
    return SCALARS


@pytest.mark.parametrize("kind", ["Pod", "Service", "ConfigMap"])
@settings(deadline=None)
@given(data=st.data())
def test_one_pass_is_as_good_as_paths(kind: str, data: st.DataObject) -> None:
    resource = by_kind("v1", kind)
    assert resource is not None
    of = Schemas.load().type_of(resource.gvk)
    assert of is not None
    value = data.draw(values(of))
    assert tree_of(of, value) == to_fields_v1(fields_of(of, value))
