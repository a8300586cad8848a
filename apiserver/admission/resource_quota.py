"""Shell: refuses what a ResourceQuota of the namespace does not leave room for, and charges the quota for the
rest before it is stored.

The charge is a guarded write of the quota's status, so that no two servers give the same room away. If the
object is not stored after all, the charge is taken back, provided nobody has written the quota since; what is
not taken back, and what is deleted, is found by the controller that counts (controllers/resource_quota).

Invariants: a refusal is based on what the store has. Requests of a namespace are charged one after the other.
Absent: resources that are refused without a quota (the configuration's limitedResources); resource claims.
After: k8s staging/src/k8s.io/apiserver/pkg/admission/plugin/resourcequota/controller.go, CheckRequest.
"""

from __future__ import annotations

import asyncio
import functools
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from apiserver.admission.chain import CREATE, UPDATE, Attributes
from apiserver.registry.registry import encode
from apiserver.storage.interface import Stale, Storage, StorageError
from apiserver.storage.watch_cache import WatchCache, object_key
from kube.api import errors, meta, quota, quota_pods
from kube.api.meta import Object
from kube.api.quantity import ZERO
from kube.api.quota import Usage
from kube.api.resources import PERSISTENT_VOLUME_CLAIMS, PODS, RESOURCE_QUOTAS, SERVICES
from kube.base.clock import Clock
from kube.base.logs import logger

log = logger(__name__)

CHARGE_ATTEMPTS = 20


@dataclass(frozen=True, slots=True)
class Known:
    """A quota and its revision; is_stored: read from the store, not from the cache."""

    quota: Object
    revision: int
    is_stored: bool = False


class ResourceQuota:
    """The plug-in; it comes last, so that only what all others let in is charged for."""

    def __init__(self, cache: WatchCache, storage: Storage, clock: Clock) -> None:
        self._cache, self._storage, self._clock = cache, storage, clock
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        # What we have written and the cache may not have yet.
        self._own: dict[str, Known] = {}

    async def validate(self, attributes: Attributes, o: Object, old: Object | None) -> None:
        if not _may_use_more(attributes) or not self._quotas(attributes.namespace):
            return
        charges: list[tuple[Known, Known]] = []
        if not attributes.dry_run:
            attributes.afterwards.append(functools.partial(self._settle, attributes.namespace, charges))
        async with self._locks[attributes.namespace]:
            quotas = self._quotas(attributes.namespace)
            for index, known in enumerate(quotas):
                quotas[index] = await self._checked(attributes, known, o, old)
            if not attributes.dry_run:
                for known in quotas:
                    await self._charge(attributes, known, o, old, charges)

    def _quotas(self, namespace: str) -> list[Known]:
        """The quotas of a namespace, by name."""
        entries = self._cache.log(RESOURCE_QUOTAS).objects
        found = []
        for key in entries.irange(f"{namespace}/", f"{namespace}0"):
            entry, own = entries[key], self._own.get(key)
            if own is not None and own.revision > entry.revision:
                found.append(own)
            else:
                self._own.pop(key, None)
                found.append(Known(entry.decode(), entry.revision))
        return found

    async def _checked(self, attributes: Attributes, known: Known, o: Object, old: Object | None) -> Known:
        """The quota that leaves room, as it was read; what the cache refuses the store is asked about."""
        try:
            self._charged(attributes, known.quota, o, old)
        except errors.StatusError:
            if known.is_stored or (fresh := await self._fresh(known)) is None:
                raise
            self._charged(attributes, fresh.quota, o, old)
            return fresh
        return known

    async def _fresh(self, known: Known) -> Known | None:
        stored = await self._storage.get(object_key(RESOURCE_QUOTAS, known.quota))
        return Known(orjson.loads(stored.value), stored.revision, is_stored=True) if stored else None

    async def _charge(
        self,
        attributes: Attributes,
        known: Known,
        o: Object,
        old: Object | None,
        charges: list[tuple[Known, Known]],
    ) -> None:
        """Write what will be used, if it is more; again where somebody was faster."""
        for _ in range(CHARGE_ATTEMPTS):
            used = self._charged(attributes, known.quota, o, old)
            if used is None:
                return
            status = {**known.quota["status"], "used": quota.written(used)}
            written = {**known.quota, "status": status}
            try:
                revision = await self._storage.update(
                    object_key(RESOURCE_QUOTAS, written), encode(written), known.revision
                )
            except Stale as stale:
                if stale.current is None:
                    return
                known = Known(orjson.loads(stale.current.value), stale.current.revision, is_stored=True)
                continue
            after = Known(written, revision, is_stored=True)
            self._own[meta.key(written)] = after
            charges.append((known, after))
            return
        raise errors.conflict(RESOURCE_QUOTAS, meta.name(known.quota))

    async def _settle(self, namespace: str, charges: Sequence[tuple[Known, Known]], stored: bool) -> None:
        """Take back what was charged for nothing."""
        if stored or not charges:
            return
        async with self._locks[namespace]:
            for before, after in reversed(charges):
                key = object_key(RESOURCE_QUOTAS, after.quota)
                try:
                    revision = await self._storage.update(key, encode(before.quota), after.revision)
                except StorageError as error:
                    log.debug("a charge is taken back by the next count", quota=key, error=error)
                else:
                    self._own[meta.key(after.quota)] = Known(before.quota, revision, is_stored=True)

    def _charged(self, attributes: Attributes, of: Object, o: Object, old: Object | None) -> Usage | None:
        """What will be used of a quota, None if it is no more than now; a StatusError when it is too much."""
        resource, now, limits = attributes.resource, self._clock.now(), quota.scopes(of)
        hard = quota.parsed(meta.get(of, "status", "hard"))
        used = quota.parsed(meta.get(of, "status", "used"))
        names = quota.names(resource, hard)
        if not names or not quota.is_within(resource, o, limits):
            return None
        if resource is PODS and (unsaid := quota_pods.unsaid(o, names)):
            raise _refused(attributes, f"failed quota: {meta.name(of)}: {unsaid}")
        if any(name not in used for name in names):
            listed = ",".join(sorted(names))
            raise _refused(attributes, f"status unknown for quota: {meta.name(of)}, resources: {listed}")
        more = quota.usage(resource, o, now)
        if old is not None and quota.is_within(resource, old, limits):
            before = quota.usage(resource, old, now)
            more = {name: amount - before.get(name, ZERO) for name, amount in more.items()}
        more = {name: more[name] for name in names if name in more and more[name] > ZERO}
        after = quota.total(used, more)
        beyond = [name for name in sorted(more) if after[name] > hard[name]]
        if beyond:
            asked, has, most = (
                ",".join(f"{name}={amounts[name]}" for name in beyond) for amounts in (more, used, hard)
            )
            why = f"exceeded quota: {meta.name(of)}, requested: {asked}, used: {has}, limited: {most}"
            raise _refused(attributes, why)
        return after if more else None


def _refused(attributes: Attributes, why: str) -> errors.StatusError:
    return errors.forbidden(attributes.resource, attributes.name, why)


def _may_use_more(attributes: Attributes) -> bool:
    """True for creations, and for changes of what may use more afterwards."""
    resource, door = attributes.resource, attributes.subresource
    if not quota.is_counted(resource):
        return False
    if attributes.operation == CREATE:
        return not door
    if attributes.operation != UPDATE:
        return False
    return (resource is PODS and door == "resize") or (
        resource in (SERVICES, PERSISTENT_VOLUME_CLAIMS) and not door
    )
