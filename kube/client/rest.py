"""Shell: the verbs of the API over HTTPS; answers become objects or exceptions (bodies.py).

    StatusError          the API server refused; reason and message as it said them
    ConnectionFailed     no server answered, or the answer broke off: a write may or may not have happened

Several servers: requests go to the one that answered last. Reads go on to the next server after any failure,
writes only when the request surely never left; who wrote must look again, which controllers do anyway.

Deadlines: every request has one. A watch has none but its timeoutSeconds: silence is its normal state, so
the server is asked from time to time whether it lives (pulse.py). Without a pulse every request and watch
there ends, and the client goes on at the next server.

A fence: who writes only while he leads says so by `may_write`, which is asked before each write. A process
that was paused finds its Lease lapsed when it goes on, and must not finish what it was about to do.

After: k8s staging/src/k8s.io/client-go/rest/request.go.
"""

from __future__ import annotations

import asyncio
import copy
import functools
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

import aiohttp
import httpx
import orjson
from httpx_aiohttp import AiohttpTransport

from kube.api import meta
from kube.api.meta import Object
from kube.api.resources import Resource
from kube.api.watch import WatchEvent
from kube.base.logs import logger
from kube.client import bodies
from kube.client.bodies import ConnectionFailed as ConnectionFailed  # callers know it from here
from kube.client.bodies import Parameters
from kube.client.config import ClientConfig
from kube.client.pulse import ANSWER_SECONDS, Pulse

log = logger(__name__)

CONNECT_SECONDS = 3.0
REQUEST_SECONDS = 10.0
# Lists and deletecollections of a whole cluster take longer than one object.
COLLECTION_SECONDS = 60.0
# How much later than its timeoutSeconds a watch may end before its server counts as gone.
WATCH_GRACE_SECONDS = 15.0
WATCH_SECONDS = 450
KEEP_ALIVE_SECONDS = 60.0
# The cheapest question: /livez would ask the store as well, which may be away while this server lives.
PULSE_PATH = "/version"
# As client-go: answers with a Retry-After header are tried again this often.
RETRY_AFTER_TRIES = 10

PATCH_TYPES = {
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "json": "application/json-patch+json",
    "apply": "application/apply-patch+yaml",
}
ACCEPT = "application/json"
ACCEPT_METADATA = "application/json;as=PartialObjectMetadata{list};g=meta.k8s.io;v=v1"
# What the transport lets through besides httpx's own errors.
WIRE_ERRORS = (httpx.TransportError, aiohttp.ClientError, OSError)


class TokenSource(Protocol):
    """Whose token goes with each request; `refused`: the server does not take it any longer."""

    async def token(self) -> str: ...

    def refused(self, token: str) -> None: ...


@dataclass(slots=True)
class _Link:
    """Which server is asked, and whether one answers: known to all clients that share connections."""

    current: int = 0
    is_reachable: bool = True


def _always() -> bool:
    return True


class Client:
    """Talks to the API servers of one cluster; `close` it when done.

    `request_seconds` is the deadline of requests for one object, `may_write` the fence; of more requests than
    `at_once` the later ones wait their turn, and their deadlines begin with it.
    """

    def __init__(
        self,
        config: ClientConfig,
        user_agent: str = "kubelite",
        *,
        request_seconds: float = REQUEST_SECONDS,
        may_write: Callable[[], bool] = _always,
        at_once: int | None = None,
    ) -> None:
        assert config.servers, "a client needs a server"
        self._request_seconds, self._may_write = request_seconds, may_write
        self._servers = config.servers
        turn = asyncio.Semaphore(at_once) if at_once else nullcontext()
        self._turn: AbstractAsyncContextManager[Any] = turn
        self._link = _Link()
        self._source: TokenSource | None = None
        headers = {"User-Agent": user_agent, "Accept": ACCEPT, "Accept-Encoding": "identity"}
        headers |= _authorization(config.token or "")
        session = functools.partial(_session, config.ssl_context)
        transport = AiohttpTransport(verify=config.ssl_context, client=session)
        self._http = httpx.AsyncClient(transport=transport, headers=headers, trust_env=False)
        self._pulses = [
            Pulse(functools.partial(self._lives, server), functools.partial(self._another_lives, server))
            for server in self._servers
        ]

    def with_tokens(self, source: TokenSource) -> Client:
        """The same connections for another caller, who shows a token of his; only the first is closed."""
        other = copy.copy(self)
        other._source = source
        return other

    async def close(self) -> None:
        try:
            for each in self._pulses:
                await each.stop()
        finally:
            await self._http.aclose()

    async def get(
        self, resource: Resource, namespace: str | None, name: str, subresource: str = ""
    ) -> Object:
        return await self._json("GET", resource.path(namespace, name, subresource))

    async def document(self, path: str) -> Object:
        """What a path has that is no object of a resource, such as discovery."""
        return await self._json("GET", path)

    async def list(
        self,
        resource: Resource,
        namespace: str | None = None,
        label_selector: str = "",
        field_selector: str = "",
        resource_version: str | None = None,
        limit: int = 0,
        continue_token: str = "",
        *,
        metadata_only: bool = False,
    ) -> Object:
        """The List object; each item says its apiVersion and kind, which the wire leaves out."""
        parameters: Parameters = {
            "labelSelector": label_selector,
            "fieldSelector": field_selector,
            "resourceVersion": resource_version,
            "limit": limit,
            "continue": continue_token,
        }
        accept = ACCEPT_METADATA.format(list="List") if metadata_only else ACCEPT
        path = resource.path(namespace)
        answer = await self._json("GET", path, parameters, accept=accept, seconds=COLLECTION_SECONDS)
        answer["items"] = answer.get("items") or []
        for item in answer["items"]:
            bodies.stamp(item, resource)
        return answer

    async def create(
        self,
        resource: Resource,
        object: Object,
        namespace: str | None = None,
        subresource: str = "",
        name: str | None = None,
    ) -> Object:
        """POST an object; with a subresource, to that of the object called `name` (default: its own name)."""
        namespace = namespace or meta.namespace(object) or None
        if subresource:
            path = resource.path(namespace, name or meta.name(object), subresource)
        else:
            path = resource.path(namespace)
            object = bodies.stamped(object, resource)
        return await self._json("POST", path, body=object)

    async def update(self, resource: Resource, object: Object, subresource: str = "") -> Object:
        """PUT an object; its resourceVersion, if any, must be the stored one."""
        path = resource.path(meta.namespace(object) or None, meta.name(object), subresource)
        return await self._json("PUT", path, body=bodies.stamped(object, resource))

    async def patch(
        self,
        resource: Resource,
        namespace: str | None,
        name: str,
        patch: Any,
        type: str = "merge",
        subresource: str = "",
        *,
        field_manager: str | None = None,
        force: bool | None = None,
    ) -> Object:
        return await self._json(
            "PATCH",
            resource.path(namespace, name, subresource),
            {"fieldManager": field_manager, "force": force},
            body=patch,
            content_type=PATCH_TYPES[type],
        )

    async def delete(
        self,
        resource: Resource,
        namespace: str | None,
        name: str,
        *,
        uid: str | None = None,
        resource_version: str | None = None,
        grace_period_seconds: int | None = None,
        propagation_policy: str | None = None,
    ) -> Object:
        """DELETE one object: the answer is a Status, or the object where it lives on for a while."""
        options = bodies.delete_options(uid, resource_version, grace_period_seconds, propagation_policy)
        return await self._json("DELETE", resource.path(namespace, name), body=options)

    async def delete_collection(
        self,
        resource: Resource,
        namespace: str | None = None,
        label_selector: str = "",
        field_selector: str = "",
        *,
        grace_period_seconds: int | None = None,
        propagation_policy: str | None = None,
    ) -> Object:
        return await self._json(
            "DELETE",
            resource.path(namespace),
            {"labelSelector": label_selector, "fieldSelector": field_selector},
            body=bodies.delete_options(None, None, grace_period_seconds, propagation_policy),
            seconds=COLLECTION_SECONDS,
        )

    async def watch(
        self,
        resource: Resource,
        namespace: str | None = None,
        label_selector: str = "",
        field_selector: str = "",
        *,
        resource_version: str | None = None,
        bookmarks: bool = True,
        timeout_seconds: int = WATCH_SECONDS,
        metadata_only: bool = False,
    ) -> AsyncIterator[WatchEvent]:
        """Yield events until the server ends the watch; an ERROR event is raised as its StatusError."""
        parameters: Parameters = {
            "watch": True,
            "labelSelector": label_selector,
            "fieldSelector": field_selector,
            "resourceVersion": resource_version,
            "allowWatchBookmarks": bookmarks,
            "timeoutSeconds": timeout_seconds,
        }
        accept = ACCEPT_METADATA.format(list="") if metadata_only else ACCEPT
        silence_seconds = timeout_seconds + WATCH_GRACE_SECONDS
        async with self._stream(resource.path(namespace), parameters, accept, silence_seconds) as chunks:
            async for line in bodies.lines(chunks):
                yield bodies.watch_event(line, resource)

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Parameters | None = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        seconds: float | None = None,
    ) -> httpx.Response:
        """Send one request and read its whole answer, whatever its code; for paths without a verb here."""
        seconds = seconds or self._request_seconds
        token = await self._source.token() if self._source is not None else ""
        sent_headers = {**(headers or {}), **_authorization(token)}

        def build(server: str) -> httpx.Request:
            return self._http.build_request(
                method,
                server + path,
                params=bodies.query(params),
                content=content,
                headers=sent_headers,
                timeout=httpx.Timeout(seconds, connect=CONNECT_SECONDS),
            )

        failure: Exception | None = None
        sent = False
        for _ in self._servers:
            if method != "GET" and not self._may_write():
                raise ConnectionFailed(f"{method} {path}: only the leader may write", sent=sent)
            server = self._link.current
            try:
                async with self._turn, self._pulses[server].awaited(seconds):
                    response = await self._http.send(build(self._servers[server]))
            except WIRE_ERRORS as error:
                failure = error
                self._turn_from(server, error)
                sent = sent or not _surely_not_sent(error)
                if method != "GET" and sent:
                    break
            else:
                self._note(reachable=True)
                if response.status_code == 401 and self._source is not None:
                    self._source.refused(token)
                return response
        self._note(reachable=False)
        raise ConnectionFailed(f"{method} {path}: {failure!r}", sent=sent) from failure

    async def _json(
        self,
        method: str,
        path: str,
        params: Parameters | None = None,
        *,
        body: Any = None,
        content_type: str = "application/json",
        accept: str = ACCEPT,
        seconds: float | None = None,
    ) -> Object:
        """Send a request with a JSON body and turn its answer into an object or a StatusError."""
        content = orjson.dumps(body) if body is not None else None
        headers = {"Accept": accept}
        if content is not None:
            headers["Content-Type"] = content_type
        for _ in range(RETRY_AFTER_TRIES):
            response = await self.request(
                method, path, params=params, content=content, headers=headers, seconds=seconds
            )
            if response.status_code < 429 or "Retry-After" not in response.headers:
                break
            await asyncio.sleep(float(response.headers["Retry-After"]))
        if response.status_code >= 400:
            raise bodies.status_error(response.status_code, response.content)
        return bodies.parse(response.content)

    @asynccontextmanager
    async def _stream(
        self, path: str, params: Parameters, accept: str, silence_seconds: float
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """Open a stream on the current server; it may stay silent for `silence_seconds`."""
        server = self._link.current
        pulse = self._pulses[server]
        token = await self._source.token() if self._source is not None else ""
        request = self._http.build_request(
            "GET",
            self._servers[server] + path,
            params=bodies.query(params),
            headers={"Accept": accept, **_authorization(token)},
            timeout=httpx.Timeout(None, connect=CONNECT_SECONDS),
        )
        try:
            async with pulse.awaited(REQUEST_SECONDS):
                response = await self._http.send(request, stream=True)
            try:
                if response.status_code >= 400:
                    raise bodies.status_error(response.status_code, await response.aread())
                yield _chunks(response, pulse, silence_seconds)
            finally:
                await response.aclose()
        except WIRE_ERRORS as error:
            self._turn_from(server, error)
            raise ConnectionFailed(f"GET {path}: {error!r}") from error

    async def _lives(self, server: str) -> bool:
        """True when a server answers, whatever it answers."""
        try:
            await self._http.get(f"{server}{PULSE_PATH}", timeout=httpx.Timeout(ANSWER_SECONDS))
        except WIRE_ERRORS:
            return False
        return True

    async def _another_lives(self, silent: str) -> bool:
        """True as soon as a server other than the silent one answers."""
        asked = [asyncio.ensure_future(self._lives(each)) for each in self._servers if each != silent]
        try:
            for answer in asyncio.as_completed(asked):
                if await answer:
                    return True
            return False
        finally:
            for each in asked:
                each.cancel()

    def _note(self, *, reachable: bool) -> None:
        """Log the beginning and the end of an outage, not each request in it."""
        if reachable != self._link.is_reachable:
            self._link.is_reachable = reachable
            if reachable:
                log.info("an API server answers again", server=self._servers[self._link.current])
            else:
                log.info("no API server answers", servers=",".join(self._servers))

    def _turn_from(self, server: int, error: Exception) -> None:
        """Prefer the next server from now on, unless another request has turned already."""
        if server == self._link.current:
            self._link.current = (server + 1) % len(self._servers)
            if self._link.current != server:
                log.info(
                    "turning to the next API server", server=self._servers[self._link.current], error=error
                )


def _authorization(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token else {}


def _session(ssl_context: ssl.SSLContext) -> aiohttp.ClientSession:
    """A session without a limit on connections, for each watch holds one, and without repetitions of its own.

    aiohttp repeats a PUT or DELETE whose connection ended. Its second try may meet a dead server, which looks
    as if nothing had been sent, or a Conflict with its first: only this client may say what is tried again.
    """
    connector = aiohttp.TCPConnector(ssl=ssl_context, limit=0, keepalive_timeout=KEEP_ALIVE_SECONDS)
    session = aiohttp.ClientSession(connector=connector)
    session._retry_connection = False
    return session


def _surely_not_sent(error: Exception) -> bool:
    """True when there never was a connection, so that a write cannot have happened."""
    # The transport makes one ConnectTimeout of many things; only the cause tells them apart.
    return isinstance(error.__cause__, (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError))


async def _chunks(response: httpx.Response, pulse: Pulse, silence_seconds: float) -> AsyncIterator[bytes]:
    """What arrives, as long as the server lives."""
    arriving = aiter(response.aiter_raw())
    while True:
        async with pulse.awaited(silence_seconds):
            chunk = await anext(arriving, None)
        if chunk is None:
            return
        yield chunk
