"""Shell: lists, whole or in pages.

    no limit          from memory, at the newest revision (or at least the one asked for)
    limit             the first page from memory, with a token that holds its revision and the next key
    continue, Exact   from memory while the kind has not changed since that revision, else from the store

All pages of a list are of one revision. When the store has compacted it away the client gets 410 and a
token to go on with at another revision.

After: k8s staging/src/k8s.io/apiserver/pkg/storage/cacher/{delegator,cacher}.go
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from apiserver.handlers.continue_token import LATEST, Token
from apiserver.handlers.list_options import ListOptions
from apiserver.handlers.respond import list_format, respond_list
from apiserver.registry.conversion import stored_as
from apiserver.request import ApiRequest
from apiserver.server import Server
from apiserver.storage.entry import Entry, EntryMaker
from apiserver.storage.interface import Compacted, Unreadable
from kube.api import errors
from kube.api.errors import StatusError

STORE_PAGE_KEYS = 500
TOO_OLD = (
    "The provided continue parameter is too old to display a consistent list result. You can start "
    "a new list without the continue parameter, or use the continue token in this response to retrieve "
    "the remainder of the results. Continuing with the provided token results in an inconsistent list - "
    "objects that were created, modified, or deleted between the time the first chunk was returned and "
    "now may show up in the list."
)


@dataclass(frozen=True, slots=True)
class Listed:
    """A page: its entries, its revision, and how to go on."""

    entries: Sequence[Entry]
    revision: int
    token: str = ""
    remaining: int | None = None

    def metadata(self) -> dict[str, Any]:
        metadata: dict[str, Any] = {"resourceVersion": str(self.revision)}
        if self.token:
            metadata["continue"] = self.token
            if self.remaining is not None:
                metadata["remainingItemCount"] = self.remaining
        return metadata


async def list_objects(server: Server, request: ApiRequest) -> Response:
    """Answer with the list."""
    wanted = list_format(request)
    options = ListOptions.for_list(request.kind, request.query_params, request.info.name)
    listed = await select(server, request.info.namespace, options)
    return respond_list(request, wanted, listed.entries, listed.metadata(), server.clock.now())


async def select(server: Server, namespace: str, options: ListOptions) -> Listed:
    """The objects asked for."""
    cache, resource = server.cache, options.resource
    namespace = namespace if resource.namespaced else ""
    token = Token.parse(options.token) if options.token else Token(options.version or 0, "")
    if token.revision > 0:
        await cache.at_least_soon(token.revision)
    elif options.token or options.version is None:
        await cache.consistent()
    if token.revision <= 0 or not (options.token or options.is_exact):
        token = Token(cache.revision, token.start)
    elif cache.log(resource).has_changed_since(token.revision):
        return await _from_store(server, namespace, options, token)
    return _from_memory(server, namespace, options, token)


def _from_memory(server: Server, namespace: str, options: ListOptions, token: Token) -> Listed:
    """A page of the objects as they are now, under the token's revision."""
    log = server.cache.log(options.resource)
    log.check_readable(namespace)
    found = log.within(namespace, options.fields, token.start)
    match = options.matcher()
    entries = list(found) if match is None else [entry for entry in found if match(entry)]
    if not options.limit or options.version == 0 or len(entries) <= options.limit:
        return Listed(entries, token.revision)
    page = entries[: options.limit]
    follow = Token(token.revision, _key_in(page[-1].key, namespace) + "\0")
    remaining = len(entries) - len(page) if options.selects_all else None
    return Listed(page, token.revision, str(follow), remaining)


def _key_in(key: str, namespace: str) -> str:
    """An object's key relative to what is listed."""
    return key.removeprefix(f"{namespace}/") if namespace else key


async def _from_store(server: Server, namespace: str, options: ListOptions, token: Token) -> Listed:
    """A page at a past revision, read from the store until enough objects match."""
    resource = stored_as(options.resource)
    root = resource.storage_prefix() + "/"
    prefix = f"{root}{namespace}/" if namespace else root
    start, revision = prefix + token.start, max(token.revision, 0)
    match, limit, maker = options.matcher(), options.limit, EntryMaker(resource)
    entries: list[Entry] = []
    while True:
        wanted = limit - len(entries) if limit and match is None else STORE_PAGE_KEYS
        try:
            page = await server.storage.list(prefix, start, wanted, revision)
        except Compacted:
            raise _expired(token) from None
        revision = page.revision
        for at, stored in enumerate(page.items):
            if stored.unreadable:
                raise Unreadable(stored.key, stored.unreadable)
            key = stored.key.removeprefix(root)
            entry = maker.make(key, stored.value, stored.revision)
            if match is not None and not match(entry):
                continue
            entries.append(entry)
            remaining = page.remaining + len(page.items) - at - 1
            if limit and len(entries) == limit and remaining:
                follow = Token(revision, _key_in(key, namespace) + "\0")
                return Listed(entries, revision, str(follow), remaining if match is None else None)
        if not page.remaining:
            return Listed(entries, revision)
        start = page.items[-1].key + "\0"


def _expired(token: Token) -> StatusError:
    if not token.start:
        return errors.expired("The resourceVersion for the provided list is too old.")
    error = errors.expired(TOO_OLD)
    error.metadata["continue"] = str(Token(LATEST, token.start))
    return error
