"""Shell: lists, whole or in pages.

    no limit          from memory, at the newest revision (or at least the one asked for)
    limit             the first page from memory, with a token that holds its revision and the next key
    continue, Exact   from the store, at the revision of the token

All pages of a list are of one revision. When the store has compacted it away the client gets 410 and a
token to go on with at another revision.

After: k8s staging/src/k8s.io/apiserver/pkg/storage/{continue.go,cacher/delegator.go}
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.responses import Response

from apiserver.handlers.options import ListOptions
from apiserver.handlers.respond import respond_list
from apiserver.registry.conversion import stored_as
from apiserver.request import ApiRequest
from apiserver.server import Server
from apiserver.storage.interface import Compacted
from apiserver.storage.object_log import Entry, make_entry
from kube.api import errors
from kube.api.errors import StatusError

TOKEN_VERSION = "meta.k8s.io/v1"
STORE_PAGE_KEYS = 500


@dataclass(frozen=True, slots=True)
class Token:
    """Where the next page begins: the revision of the list and the first key; -1 gives up the revision."""

    revision: int
    start: str

    def __str__(self) -> str:
        text = orjson.dumps({"v": TOKEN_VERSION, "rv": self.revision, "start": self.start})
        return base64.urlsafe_b64encode(text).rstrip(b"=").decode()

    @classmethod
    def parse(cls, text: str) -> Token:
        """Read a token; StatusError 400 when it is none of ours."""
        try:
            value = orjson.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
            if value["v"] != TOKEN_VERSION or not isinstance(value["rv"], int) or not value["start"]:
                raise ValueError
            return cls(value["rv"], str(value["start"]))
        except (binascii.Error, ValueError, KeyError, TypeError):
            raise errors.bad_request("continue key is not valid: illegal base64 or unknown version") from None


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
    options = ListOptions.read(request.kind, request.query_params)
    options.check_list()
    listed = await select(server, request.info.namespace, options)
    return respond_list(request, listed.entries, listed.metadata(), server.clock.now())


async def select(server: Server, namespace: str, options: ListOptions) -> Listed:
    """The objects asked for."""
    if options.token:
        return await _from_store(server, namespace, options, Token.parse(options.token))
    exact = options.match == "Exact" or (options.version and options.limit and not options.match)
    if exact and options.version:
        await server.cache.at_least_soon(options.version)
        return await _from_store(server, namespace, options, Token(options.version, ""))
    if options.version is None:
        await server.cache.consistent()
    elif options.version:
        await server.cache.at_least_soon(options.version)
    return _from_memory(server, namespace, options)


def _from_memory(server: Server, namespace: str, options: ListOptions) -> Listed:
    found = server.cache.log(options.resource).in_namespace(namespace)
    match = options.matcher()
    entries = list(found) if match is None else [entry for entry in found if match(entry)]
    revision = server.cache.revision
    if not options.limit or options.version == 0 or len(entries) <= options.limit:
        return Listed(entries, revision)
    page = entries[: options.limit]
    token = str(Token(revision, _key_in(page[-1].key, namespace) + "\0"))
    return Listed(page, revision, token, len(entries) - len(page) if options.selects_all else None)


def _key_in(key: str, namespace: str) -> str:
    """An object's key relative to what is listed."""
    return key.removeprefix(f"{namespace}/") if namespace else key


async def _from_store(server: Server, namespace: str, options: ListOptions, token: Token) -> Listed:
    """A page at a past revision, read from the store until enough objects match."""
    resource = stored_as(options.resource)
    root = resource.storage_prefix() + "/"
    prefix = f"{root}{namespace}/" if namespace else root
    start, revision = prefix + token.start, max(token.revision, 0)
    match, limit = options.matcher(), options.limit
    entries: list[Entry] = []
    while True:
        wanted = limit - len(entries) if limit and match is None else STORE_PAGE_KEYS
        try:
            page = await server.storage.list(prefix, start, wanted, revision)
        except Compacted:
            raise _expired(server, token) from None
        revision = page.revision
        for at, stored in enumerate(page.items):
            key = stored.key.removeprefix(root)
            entry = make_entry(resource, key, orjson.loads(stored.value), stored.revision)
            if match is not None and not match(entry):
                continue
            entries.append(entry)
            remaining = page.remaining + len(page.items) - at - 1
            if limit and len(entries) == limit and remaining:
                follow = Token(
                    token.revision if token.revision > 0 else revision, _key_in(key, namespace) + "\0"
                )
                return Listed(entries, revision, str(follow), remaining if match is None else None)
        if not page.remaining:
            return Listed(entries, revision)
        start = page.items[-1].key + "\0"


def _expired(server: Server, token: Token) -> StatusError:
    if not token.start:
        return errors.expired("The resourceVersion for the provided list is too old.")
    text = (
        "The provided continue parameter is too old to display a consistent list result. You can start "
        "a new list without the continue parameter, or use the continue token in this response to retrieve "
        "the remainder of the results. Continuing with the provided token results in an inconsistent list - "
        "objects that were created, modified, or deleted between the time the first chunk was returned and "
        "now may show up in the list."
    )
    error = errors.expired(text)
    error.metadata["continue"] = str(Token(-1, token.start))
    return error
