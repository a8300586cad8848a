"""Shell: creates or deletes an object once, however often that has to be tried.

A request without an answer may have happened, and may still happen: a paused API server carries out what it
had received when it goes on. Another object in the place of the created or deleted one could be one too many,
so the same is tried again until somebody knows: a create under the same name (a name that is made up is made
up here, not by the server), a delete of the same uid.

    no answer, or 504           perhaps: try again, at another server if there is one
    AlreadyExists               if what is there has our owner, it is ours: chance chose this name for us
    NotFound after a perhaps    it is deleted
    any other refusal           raised; so is a request that never left

Who waits here can do nothing else for his key. But what he decided stays true: while he leads, nobody else
acts for it.
Absent: objects whose name was given. Two of them cannot come to be.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from random import Random
from typing import TypeVar

from kube.api import errors, meta
from kube.api.actions import Delete
from kube.api.errors import StatusError
from kube.api.meta import Object
from kube.api.names import generate_name
from kube.api.resources import Resource
from kube.base.backoff import Backoff
from kube.base.logs import logger
from kube.client.rest import Client, ConnectionFailed

log = logger(__name__)

RETRY_SECONDS_MIN = 0.05
RETRY_SECONDS_MAX = 2.0

T = TypeVar("T")


async def create_once(client: Client, resource: Resource, object: Object, random: Random) -> Object:
    """Create an object, with a name of our choice where it asks for one; the object as it was created."""
    base = meta.metadata(object).get("generateName")
    if meta.name(object) or not base:
        return await client.create(resource, object)
    metadata = {**object["metadata"], "name": generate_name(base, random.choice)}
    named = {**object, "metadata": metadata}
    return await _until_known(lambda _: _create_or_find(client, resource, named))


async def delete_once(client: Client, delete: Delete) -> None:
    """Delete an object; one known by its uid, until somebody knows that it is gone or going."""

    async def attempt(*, perhaps: bool = False) -> None:
        try:
            await client.delete(
                delete.resource,
                delete.namespace or None,
                delete.name,
                uid=delete.uid or None,
                resource_version=delete.resource_version or None,
                grace_period_seconds=delete.grace_period_seconds,
                propagation_policy=delete.propagation_policy or None,
            )
        except StatusError as error:
            if not (perhaps and errors.is_not_found(error)):
                raise

    if delete.uid:
        await _until_known(lambda perhaps: attempt(perhaps=perhaps))
    else:
        await attempt()


async def _until_known(attempt: Callable[[bool], Awaitable[T]]) -> T:
    """The outcome of the first attempt that has one; each hears whether an earlier one may have happened."""
    backoff = Backoff(RETRY_SECONDS_MIN, RETRY_SECONDS_MAX)
    perhaps = False
    while True:
        try:
            return await attempt(perhaps)
        except ConnectionFailed as error:
            perhaps = perhaps or error.sent
            if not perhaps:
                raise
            log.info("a write without an answer, trying again", error=error)
        except StatusError as error:
            if not errors.is_timeout(error):
                raise
            perhaps = True
            log.info("the store did not answer a write, trying again", error=error)
        await asyncio.sleep(backoff.next())


async def _create_or_find(client: Client, resource: Resource, object: Object) -> Object:
    try:
        return await client.create(resource, object)
    except StatusError as error:
        if not errors.is_already_exists(error):
            raise
        refusal = error
    try:
        found = await client.get(resource, meta.namespace(object) or None, meta.name(object))
    except StatusError as error:
        if errors.is_not_found(error):
            # It was made, and deleted since.
            return object
        raise
    ours = meta.controller_of(object)
    if ours is None or meta.controller_of(found) != ours:
        raise refusal
    return found
