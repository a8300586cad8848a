"""Shell: carries out what a plan says, in order.

* A run of Creates is done in batches of 1, 2, 4 ...: if the first fails for a reason that holds for all (a
  quota, a webhook), a thousand requests are not wasted on it. A run of Deletes is done at once.
* A Create or Delete without an answer is repeated, the same, until somebody knows (once.py).
* After a failure only status is still written; then the failure is raised, and the loop looks again.
* In a namespace that is being deleted nothing can be created, and that is no failure.
* What was to be deleted and is gone already is done. What was to be created and exists already is worth
  another look, but no complaint: the cache was behind.

After: k8s pkg/controller/replicaset/replica_set.go, slowStartBatch.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from random import Random

from kube.api import errors, meta
from kube.api.actions import (
    Action,
    Announcement,
    Create,
    Delete,
    DeleteCollection,
    EmitEvent,
    Patch,
    Update,
    UpdateStatus,
)
from kube.api.errors import StatusError
from kube.base.logs import logger
from kube.client.events import NORMAL, WARNING, EventRecorder
from kube.client.rest import Client, ConnectionFailed
from kube.controller.once import create_once, delete_once

log = logger(__name__)

DELETES_AT_ONCE = 100

Announced = Create | Delete | Patch
Failure = StatusError | ConnectionFailed
# Hears of each Create and Delete that did not happen, and of the failure unless that is fine.
Undone = Callable[[Create | Delete, Failure | None], None]


class Actor:
    """Does what plans say, in the name of one controller."""

    def __init__(self, client: Client, recorder: EventRecorder, random: Random) -> None:
        self._client, self._recorder, self._random = client, recorder, random

    async def carry_out(self, actions: Sequence[Action], undone: Undone) -> None:
        """Do everything that no failure prevents; raise the first failure."""
        failure: Failure | None = None
        for batch in batches(actions):
            if failure is None or isinstance(batch[0], UpdateStatus):
                results = await asyncio.gather(*(self._attempt(action, undone) for action in batch))
                failure = failure or next((each for each in results if each is not None), None)
            else:
                for action in batch:
                    _tell(undone, action, failure)
        if failure is not None:
            raise failure

    async def _attempt(self, action: Action, undone: Undone) -> Failure | None:
        try:
            await self._do(action)
        except (StatusError, ConnectionFailed) as error:
            harmless = _is_fine(action, error) or errors.is_already_exists(error)
            _tell(undone, action, None if harmless else error)
            if _is_fine(action, error):
                return None
            if isinstance(action, Announced) and action.announcement is not None and not harmless:
                self._announce_failure(action.announcement, action, error)
            return error
        return None

    async def _do(self, action: Action) -> None:
        match action:
            case Create():
                created = await create_once(self._client, action.resource, action.object, self._random)
                self._announce(action.announcement, meta.name(created))
                log.info("created", resource=action.resource.plural, object=meta.key(created))
            case Update():
                await self._client.update(action.resource, action.object, action.subresource)
                log.info("updated", resource=action.resource.plural, object=meta.key(action.object))
            case UpdateStatus():
                await self._client.update(action.resource, action.object, "status")
            case Patch():
                await self._patch(action)
            case Delete():
                await delete_once(self._client, action)
                self._announce(action.announcement, action.name)
                log.info(
                    "deleted", resource=action.resource.plural, object=f"{action.namespace}/{action.name}"
                )
            case DeleteCollection():
                await self._client.delete_collection(action.resource, action.namespace)
            case EmitEvent():
                self._recorder.event(action.about, action.type, action.reason, action.message)
            case _:
                raise AssertionError(f"no way to carry out {action}")

    async def _patch(self, action: Patch) -> None:
        await self._client.patch(
            action.resource,
            action.namespace or None,
            action.name,
            action.patch,
            action.type,
            action.subresource,
        )
        self._announce(action.announcement, action.name)
        log.info("patched", resource=action.resource.plural, object=f"{action.namespace}/{action.name}")

    def _announce(self, announcement: Announcement | None, name: str) -> None:
        if announcement is not None and announcement.success_reason:
            message = announcement.success_message.replace("{name}", name)
            self._recorder.event(announcement.about, NORMAL, announcement.success_reason, message)

    def _announce_failure(self, announcement: Announcement, action: Announced, error: Exception) -> None:
        name = meta.name(action.object) if isinstance(action, Create) else action.name
        message = announcement.failure_message.replace("{name}", name).replace("{error}", str(error))
        self._recorder.event(announcement.about, WARNING, announcement.failure_reason, message)


def batches(actions: Sequence[Action]) -> Iterator[Sequence[Action]]:
    """What may be done at the same time: more and more Creates, many Deletes, one of anything else."""
    for kind, run in groupby(actions, type):
        rest = list(run)
        size = {Create: 1, Delete: DELETES_AT_ONCE}.get(kind, 1)
        while rest:
            yield rest[:size]
            rest = rest[size:]
            size = size * 2 if kind is Create else size


def _tell(undone: Undone, action: Action, failure: Failure | None) -> None:
    if isinstance(action, (Create, Delete)):
        undone(action, failure)


def _is_fine(action: Action, error: Failure) -> bool:
    """True for refusals that leave nothing to be done."""
    if isinstance(action, (Delete, DeleteCollection)):
        return errors.is_not_found(error)
    if isinstance(action, Create) and isinstance(error, StatusError):
        causes = error.details.get("causes") or []
        return any(cause.get("reason") == "NamespaceTerminating" for cause in causes)
    return False
