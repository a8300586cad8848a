"""Core: everything that may be wrong with an object, in one list, as one StatusError.

After: k8s staging/src/k8s.io/apiserver/pkg/registry/rest/{create,update}.go, BeforeCreate and BeforeUpdate
"""

from __future__ import annotations

from apiserver.registry import metadata
from apiserver.registry.conversion import is_stored, stored_as
from apiserver.registry.kinds import strategy_of
from kube.api import errors, meta
from kube.api.meta import Object
from kube.api.resources import Resource
from kube.api.schema import Schemas


def validate_create(resource: Resource, o: Object) -> None:
    """Raise StatusError 422 with all that is wrong with a new object."""
    strategy = strategy_of(resource)
    found = metadata.validate(resource, o, strategy.name_errors)
    found += strategy.validate(o) + strategy.validate_create(o)
    _refuse(resource, o, found if strategy.is_complete else [*found, *_missing(resource, o, found)])


def validate_update(resource: Resource, new: Object, old: Object, subresource: str) -> None:
    """Raise StatusError 422 with all that is wrong with a changed object, or with the change itself."""
    strategy = strategy_of(resource)
    found = metadata.validate(resource, new, strategy.name_errors) + metadata.validate_update(new, old)
    if not subresource:
        found += strategy.validate(new) + strategy.validate_update(new, old)
        if not strategy.is_complete:
            found += _missing(resource, new, found)
    elif subresource in strategy.subresources:
        found += strategy.subresources[subresource](new, old)
    _refuse(resource, new, found)


def check_version(resource: Resource, stored: Object, old: Object | None = None) -> None:
    """Raise StatusError 422 with what is wrong in the eyes of a version that is not the one stored."""
    if is_stored(resource) or strategy_of(resource) is strategy_of(stored_as(resource)):
        return
    strategy = strategy_of(resource)
    found = strategy.validate_create(stored) if old is None else strategy.validate_update(stored, old)
    _refuse(resource, stored, found)


def _missing(resource: Resource, o: Object, found: list[errors.FieldError]) -> list[errors.FieldError]:
    """Required fields by the schema that no rule has named yet."""
    known = {each.field for each in found}
    return [each for each in Schemas.load().validate(resource.gvk, o) if each.field not in known]


def _refuse(resource: Resource, o: Object, found: list[errors.FieldError]) -> None:
    if found:
        raise errors.invalid(resource.gvk, meta.name(o), list(dict.fromkeys(found)))
