"""Shell: creates, changes and deletes objects of every kind; the only writer of the store.

    create:  default -> admit -> prepare -> validate -> store, if the key is free
    update:  read -> change -> admit -> prepare -> validate -> store, if nobody was faster; else again
    delete:  read -> admit -> plan_deletion -> remove or mark, if nobody was faster

The mutating plug-ins of admission come where it says admit, the validating ones after our own validation.

An update starts from the watch cache, which may be a moment old: the guarded write finds out, and hands
back what stands in the store. A refusal based on a cached object is checked once against the store before
it is believed.

Invariants: an update that changes nothing writes nothing; every write is guarded by the revision it was
based on.
After: k8s staging/src/k8s.io/apiserver/pkg/registry/generic/registry/store.go
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random

import orjson

from apiserver.admission.chain import CREATE, DELETE, UPDATE, Attributes, Chain, settling
from apiserver.registry import deletion, managed_fields, status
from apiserver.registry.deletion import DeleteOptions, Keep
from apiserver.registry.kinds import strategy_of
from apiserver.registry.managed_fields import Manager
from apiserver.registry.validation import validate_create, validate_update
from apiserver.storage.interface import KeyExists, Stale, Storage, Stored
from apiserver.storage.watch_cache import WatchCache, object_key, storage_key
from kube.api import errors, meta
from kube.api.defaults import apply_defaults
from kube.api.errors import StatusError
from kube.api.meta import Object
from kube.api.names import generate_name
from kube.api.resources import EVENTS, Resource
from kube.base.clock import Clock

GENERATE_NAME_ATTEMPTS = 8
UPDATE_ATTEMPTS = 100

Change = Callable[[Object], Object]
# What a client says who does not know the version.
UNVERSIONED = ("", "0")


@dataclass(frozen=True, slots=True)
class Current:
    """An object as it was read, and whether that was from the cache; is_stale: as of Stored."""

    o: Object
    revision: int
    cached: bool
    is_stale: bool = False


class Registry:
    """The write path of all kinds."""

    def __init__(
        self,
        storage: Storage,
        cache: WatchCache,
        admission: Chain,
        clock: Clock,
        random: Random,
        new_uid: Callable[[], str],
        event_ttl_seconds: int,
    ) -> None:
        self._storage, self._cache, self.admission = storage, cache, admission
        self._clock, self._random, self._new_uid = clock, random, new_uid
        self._event_ttl_seconds = event_ttl_seconds

    async def create(self, attributes: Attributes, o: Object) -> Object:
        """Make a new object of what a client sent; `o` is ours to change."""
        base = meta.metadata(o).get("generateName")
        if meta.name(o) or not base:
            return await self._create_named(attributes, o)
        attributes = replace(attributes, has_generated_name=True)
        for attempt in range(GENERATE_NAME_ATTEMPTS):
            candidate = meta.deep_copy(o)
            candidate["metadata"]["name"] = generate_name(base, self._random.choice)
            try:
                return await self._create_named(attributes, candidate)
            except StatusError as error:
                if not errors.is_already_exists(error):
                    raise
                if attempt == GENERATE_NAME_ATTEMPTS - 1:
                    raise errors.no_free_name(attributes.resource, meta.name(candidate)) from None
        raise AssertionError("unreachable")

    @settling
    async def _create_named(self, attributes: Attributes, o: Object) -> Object:
        resource = attributes.resource
        attributes = replace(attributes, operation=CREATE, name=meta.name(o))
        o["metadata"] |= {
            "uid": self._new_uid(),
            "creationTimestamp": meta.format_time(self._clock.now()),
        }
        status.prepare_create(resource, o)
        apply_defaults(resource, o)
        await self.admission.admit(attributes, o)
        if meta.name(o) != attributes.name:
            # A webhook may name what is to be made.
            attributes = replace(attributes, name=meta.name(o))
        strategy_of(resource).prepare_create(o)
        validate_create(resource, o)
        await self.admission.validate(attributes, o)
        if not attributes.server_side_apply:
            managed_fields.created(resource, o, _manager(attributes), self._clock.now())
        if attributes.dry_run:
            if await self._storage.get(object_key(resource, o)) is not None:
                raise errors.already_exists(resource, meta.name(o))
            return o
        ttl = self._event_ttl_seconds if resource.plural == EVENTS.plural else 0
        try:
            revision = await self._storage.create(object_key(resource, o), encode(o), ttl)
        except KeyExists:
            raise errors.already_exists(resource, meta.name(o)) from None
        o["metadata"]["resourceVersion"] = str(revision)
        return o

    async def update(self, attributes: Attributes, change: Change, uid: str = "") -> Object:
        """Change what stands there; `change` may be called several times, each time with a fresh copy.

        A `uid` is the one object it may be done to; another, or none, is StatusError 409.
        """
        try:
            current = await self._current(attributes)
        except StatusError as error:
            if uid and errors.is_not_found(error):
                raise _other_uid(attributes, uid, {}) from None
            raise
        for _ in range(UPDATE_ATTEMPTS):
            try:
                if uid not in ("", meta.uid(current.o)):
                    raise _other_uid(attributes, uid, current.o)
                return await self._try_update(attributes, current, change)
            except Stale as stale:
                if stale.current is None:
                    raise errors.not_found(attributes.resource, attributes.name) from None
                current = _decoded(stale.current)
            except StatusError:
                if not current.cached:
                    raise
                fresh = await self._fresh(attributes)
                if fresh.revision == current.revision:
                    raise
                current = fresh
        raise errors.conflict(attributes.resource, attributes.name)

    @settling
    async def _try_update(self, attributes: Attributes, current: Current, change: Change) -> Object:
        resource, old = attributes.resource, current.o
        # Through /scale one writes the object itself, only less of it.
        door = attributes.subresource if attributes.subresource != "scale" else ""
        new = change(meta.deep_copy(old))
        _check_version(resource, new, old)
        status.prepare_update(resource, door, new, old)
        apply_defaults(resource, new)
        attributes = replace(attributes, operation=UPDATE)
        await self.admission.admit(attributes, new, old)
        if not door:
            strategy_of(resource).prepare_update(new, old)
        status.count_generation(resource, new, old)
        validate_update(resource, new, old, door)
        await self.admission.validate(attributes, new, old)
        if not attributes.server_side_apply and new != old:
            managed_fields.updated(resource, new, old, _manager(attributes), self._clock.now())
        if meta.is_terminating(old) and deletion.is_finished(new):
            return await self._remove(attributes, new, current, attributes.dry_run)
        if new == old and not await self._is_stale(attributes, current):
            return new
        if attributes.dry_run:
            return new
        key = storage_key(resource, attributes.namespace, attributes.name)
        ttl = self._event_ttl_seconds if resource.plural == EVENTS.plural else 0
        revision = await self._storage.update(key, encode(new), current.revision, ttl)
        new["metadata"]["resourceVersion"] = str(revision)
        return new

    async def _is_stale(self, attributes: Attributes, current: Current) -> bool:
        """True when even a write that changes nothing is due; Stale as of `_confirm`."""
        if current.cached:
            return (await self._confirm(attributes, current)).is_stale
        return current.is_stale

    async def _confirm(self, attributes: Attributes, current: Current) -> Stored:
        """What stands in the store; Stale when a cached object is that no longer."""
        stored = await self._storage.get(
            storage_key(attributes.resource, attributes.namespace, attributes.name)
        )
        if stored is None or stored.revision != current.revision:
            raise Stale(stored)
        return stored

    async def delete(self, attributes: Attributes, options: DeleteOptions) -> tuple[Object, bool]:
        """Delete an object or begin to; returns its last state and whether it is gone."""
        attributes = replace(attributes, operation=DELETE, options=options.written())
        current = await self._current(attributes)
        while True:
            try:
                return await self._try_delete(attributes, current, options)
            except Stale as stale:
                if stale.current is None:
                    raise errors.not_found(attributes.resource, attributes.name) from None
                current = _decoded(stale.current)
            except StatusError:
                if not current.cached:
                    raise
                fresh = await self._fresh(attributes)
                if fresh.revision == current.revision:
                    raise
                current = fresh

    @settling
    async def _try_delete(
        self, attributes: Attributes, current: Current, options: DeleteOptions
    ) -> tuple[Object, bool]:
        resource, o = attributes.resource, current.o
        _check_preconditions(resource, o, options)
        await self.admission.ask(attributes, o)
        plan = deletion.plan_deletion(strategy_of(resource), o, options, self._clock.now())
        if not isinstance(plan, Keep):
            return await self._remove(attributes, o, current, options.dry_run), True
        if plan.o is None:
            await self._confirm(attributes, current)
            return o, False
        if not options.dry_run:
            key = storage_key(resource, attributes.namespace, attributes.name)
            revision = await self._storage.update(key, encode(plan.o), current.revision)
            plan.o["metadata"]["resourceVersion"] = str(revision)
        return plan.o, False

    async def _remove(self, attributes: Attributes, o: Object, current: Current, dry_run: bool) -> Object:
        if not dry_run:
            key = storage_key(attributes.resource, attributes.namespace, attributes.name)
            revision = await self._storage.delete(key, current.revision)
            o["metadata"]["resourceVersion"] = str(revision)
        return o

    async def _current(self, attributes: Attributes) -> Current:
        entry = self._cache.get(attributes.resource, attributes.namespace, attributes.name)
        if entry is not None:
            return Current(entry.decode(), entry.revision, cached=True)
        return await self._fresh(attributes)

    async def _fresh(self, attributes: Attributes) -> Current:
        resource = attributes.resource
        stored = await self._storage.get(storage_key(resource, attributes.namespace, attributes.name))
        if stored is None:
            raise errors.not_found(resource, attributes.name)
        return _decoded(stored)


def _manager(attributes: Attributes) -> Manager:
    name, version = attributes.field_manager or attributes.user.name, attributes.resource.api_version
    return Manager(name, managed_fields.UPDATE, version, attributes.subresource)


def encode(o: Object) -> bytes:
    """An object as it is stored: without the resourceVersion, which is the key's revision."""
    stored = {**o, "metadata": {k: v for k, v in o["metadata"].items() if k != "resourceVersion"}}
    return orjson.dumps(stored)


def _decoded(stored: Stored) -> Current:
    o: Object = orjson.loads(stored.value)
    o["metadata"]["resourceVersion"] = str(stored.revision)
    return Current(o, stored.revision, cached=False, is_stale=stored.is_stale)


def _check_version(resource: Resource, new: Object, old: Object) -> None:
    """A resourceVersion in what the client sent is a precondition."""
    wanted, version = meta.resource_version(new), meta.resource_version(old)
    if wanted and not wanted.isdecimal():
        raise errors.unnamed(f'strconv.ParseUint: parsing "{wanted}": invalid syntax')
    if wanted not in UNVERSIONED and wanted != version:
        raise errors.conflict(resource, meta.name(old))
    new["metadata"]["resourceVersion"] = version


def _other_uid(attributes: Attributes, wanted: str, found: Object) -> StatusError:
    resource, name = attributes.resource, attributes.name
    return errors.other_uid(
        resource, name, storage_key(resource, attributes.namespace, name), wanted, meta.uid(found)
    )


def _check_preconditions(resource: Resource, o: Object, options: DeleteOptions) -> None:
    # Kubernetes names the kind here where it names the resource elsewhere.
    named = replace(resource, plural=resource.kind)
    for part, wanted, found, then in (
        ("UID", options.uid, meta.uid(o), "been deleted and then recreated"),
        ("ResourceVersion", options.resource_version, meta.resource_version(o), "been modified"),
    ):
        if wanted is not None and wanted != found:
            why = f"the {part} in the precondition ({wanted}) does not match the {part} in record ({found}). "
            raise errors.conflict(named, meta.name(o), f"{why}The object might have {then}")
