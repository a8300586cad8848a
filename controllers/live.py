"""Shell: an object as the server has it now, for what a cache that may be behind must not decide."""

from __future__ import annotations

from kube.api import errors
from kube.api.errors import StatusError
from kube.api.meta import Object
from kube.api.resources import Resource
from kube.client.rest import Client


async def find(client: Client, resource: Resource, namespace: str | None, name: str) -> Object | None:
    """The object; None when there is no such one."""
    try:
        return await client.get(resource, namespace or None, name)
    except StatusError as error:
        if errors.is_not_found(error):
            return None
        raise
