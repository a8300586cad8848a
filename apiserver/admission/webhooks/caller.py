"""Shell: calls webhooks: one HTTP POST each, over connections that are kept for the next.

    hook -> session (by its authority) -> https://host/path?timeout=10s
    https://NAME.NAMESPACE.svc:443/path  the name is checked in the certificate; the address is a pod's

Limits: an answer has ANSWER_BYTES_MAX at most; SESSIONS_MAX authorities are kept; a redirection is no answer.
After: k8s staging/src/k8s.io/apiserver/pkg/util/webhook/client.go; client-go/rest/request.go
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from random import Random

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from apiserver.admission.webhooks.answer import Failed
from apiserver.admission.webhooks.hook import Hook, Target
from apiserver.service_endpoints import service_of, slices_of
from apiserver.storage.watch_cache import WatchCache
from kube.api.endpoint_slices import port_name, ready
from kube.api.errors import StatusError, quote, service_unavailable
from kube.base import low_ports, tls

ANSWER_BYTES_MAX = 3 * 1024 * 1024
SESSIONS_MAX = 200
# Less than servers keep a connection that is not used, so that none is closed while we write to it.
KEEP_SECONDS = 4.0
HEADERS = {
    "Content-Type": "application/json",
    "Accept": "application/json, */*",
    "User-Agent": "kube-apiserver-admission",
}
# OpenSSL's verdicts on a certificate, as Go has them.
UNTRUSTED, EXPIRED, OTHER_HOST, OTHER_ADDRESS = (7, 18, 19, 20, 21), (9, 10), 62, 64
STATUS_TEXTS = {
    400: "the server rejected our request for an unknown reason",
    401: "the server has asked for the client to provide credentials",
    404: "the server could not find the requested resource",
    405: "the server does not allow this method on the requested resource",
    429: "the server has received too many requests and has asked us to try again later",
    503: "the server is currently unable to handle the request",
    504: "the server was unable to return a response in the time allotted, "
    "but may still be processing the request",
}


@dataclass(slots=True)
class Kept:
    """A session, and how many calls go over it just now."""

    session: aiohttp.ClientSession
    calls: int = 0


class Caller:
    """Calls webhooks; what it holds open is closed by `close`."""

    def __init__(self, cache: WatchCache, chance: Random) -> None:
        self._resolver = ServiceResolver(cache, chance)
        self._kept: OrderedDict[tuple[str, bool], Kept] = OrderedDict()

    async def close(self) -> None:
        """Close all connections."""
        while self._kept:
            _, kept = self._kept.popitem()
            await kept.session.close()

    async def call(self, hook: Hook, body: bytes) -> bytes:
        """The answer's body; raises Failed."""
        url = f"{hook.target.url}?timeout={hook.timeout_seconds}s"
        try:
            async with asyncio.timeout(hook.timeout_seconds), self._session(hook.target) as session:
                return await _post(session, url, body)
        except (aiohttp.ClientError, OSError, TimeoutError, StatusError, ValueError) as error:
            why = self._words(error, hook.target)
            raise Failed(f"failed to call webhook: Post {quote(url)}: {why}") from error

    @asynccontextmanager
    async def _session(self, target: Target) -> AsyncIterator[aiohttp.ClientSession]:
        key = (target.authority, target.service is not None)
        kept = self._kept.get(key)
        if kept is None:
            kept = self._kept[key] = Kept(self._new_session(target))
        self._kept.move_to_end(key)
        kept.calls += 1
        try:
            await self._drop_oldest()
            yield kept.session
        finally:
            kept.calls -= 1

    def _new_session(self, target: Target) -> aiohttp.ClientSession:
        try:
            context = tls.bundle_context(target.authority)
        except ssl.SSLError as error:
            text = "unable to load root certificates: unable to parse bytes as PEM block"
            raise Failed(f"could not get REST client: {text}") from error
        connector = aiohttp.TCPConnector(
            ssl=context,
            limit=0,
            keepalive_timeout=KEEP_SECONDS,
            resolver=self._resolver if target.service else None,
            use_dns_cache=target.service is None,
        )
        return aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=HEADERS,
        )

    async def _drop_oldest(self) -> None:
        """Close sessions that were not used for longest: authorities come and go with their certificates."""
        idle = [key for key, kept in self._kept.items() if not kept.calls]
        for key in idle[: max(len(self._kept) - SESSIONS_MAX, 0)]:
            await self._kept.pop(key).session.close()

    def _words(self, error: Exception, target: Target) -> str:
        """What went wrong, as Go has it."""
        match error:
            case StatusError():
                return error.message
            case TimeoutError():
                return "context deadline exceeded"
            case aiohttp.ServerDisconnectedError():
                return "EOF"
            case aiohttp.ClientConnectorCertificateError():
                return _verdict(error.certificate_error, URL(target.url).host or "")
            case aiohttp.ClientConnectorDNSError():
                return f"dial tcp: lookup {error.host}: no such host"
            case aiohttp.ClientConnectorError() if error.os_error.errno:
                host = self._resolver.found.get(error.host) or f"{error.host}:{error.port}"
                return f"dial tcp {host}: connect: {os.strerror(error.os_error.errno).lower()}"
        return str(error) or type(error).__name__


async def _post(session: aiohttp.ClientSession, url: str, body: bytes) -> bytes:
    async with session.post(URL(url, encoded=True), data=body, allow_redirects=False) as response:
        read = bytearray()
        async for chunk in response.content.iter_any():
            read += chunk
            if len(read) > ANSWER_BYTES_MAX:
                raise Failed(f"failed to call webhook: the answer is larger than {ANSWER_BYTES_MAX} bytes")
    if not 200 <= response.status < 300:
        raise Failed(f"failed to call webhook: {_refusal(response.status, bytes(read))}", response.status)
    return bytes(read)


def _refusal(code: int, body: bytes) -> str:
    """What an HTTP status means to client-go, where its body is no Status."""
    text = body.decode("utf-8", "replace").strip()
    if code == 403:
        return text
    if code in STATUS_TEXTS:
        return STATUS_TEXTS[code]
    if code >= 500:
        return (
            f"an error on the server ({quote(text or 'unknown')}) has prevented the request from succeeding"
        )
    return f"the server responded with the status code {code} but did not return more information"


def _verdict(error: Exception, host: str) -> str:
    begin = "tls: failed to verify certificate: x509: "
    code = getattr(error, "verify_code", 0)
    if code in UNTRUSTED:
        return f"{begin}certificate signed by unknown authority"
    if code in EXPIRED:
        return f"{begin}certificate has expired or is not yet valid"
    if code in (OTHER_HOST, OTHER_ADDRESS):
        return f"{begin}certificate is not valid for {host}"
    return f"{begin}{getattr(error, 'verify_message', '') or error}"


class ServiceResolver(AbstractResolver):
    """Finds a pod where the name of a Service stands; `found` is where each was found last."""

    def __init__(self, cache: WatchCache, chance: Random) -> None:
        self._cache, self._chance = cache, chance
        self.found: dict[str, str] = {}

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """An address; StatusError where there is none."""
        ip, number = self._address(host, port)
        number = low_ports.bindable(number)
        self.found[host] = f"[{ip}]:{number}" if ":" in ip else f"{ip}:{number}"
        return [
            ResolveResult(
                hostname=host,
                host=ip,
                port=number,
                family=socket.AF_INET6 if ":" in ip else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
        ]

    def _address(self, host: str, port: int) -> tuple[str, int]:
        name, namespace = host.removesuffix(".svc").rsplit(".", 1)
        service = service_of(self._cache, namespace, name)
        if service is None:
            raise service_unavailable(f'service "{name}" not found')
        at = port_name(service, port)
        if at is None:
            raise service_unavailable(f'no service port {port} found for service "{name}"')
        addresses = ready(slices_of(self._cache, namespace, name), at)
        if not addresses:
            raise service_unavailable(f'no endpoints available for service "{name}"')
        return self._chance.choice(addresses)

    async def close(self) -> None:
        """Nothing is held."""
