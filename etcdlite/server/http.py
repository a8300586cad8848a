"""Shell: health and numbers over HTTP or HTTPS, with etcd's paths and answers.

    /health /livez /readyz /livez/NAME /readyz/NAME /version /metrics; /healthz: another name for /livez

A request is one line and headers, an answer closes the connection: enough for probes and Prometheus, and
too little to need a web framework in a process whose start is mostly imports.

After: etcd server/etcdserver/api/etcdhttp.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

from etcdlite.server.checks import Checks, Query
from etcdlite.server.metrics import Metrics
from etcdlite.version import VERSION

REQUEST_SECONDS = 10.0
HEAD_BYTES_MAX = 16 * 1024
OK, NOT_FOUND, NOT_ALLOWED = "200 OK", "404 Not Found", "405 Method Not Allowed"
UNHEALTHY = "503 Service Unavailable"
TEXT, JSON = "text/plain; charset=utf-8", "application/json"
EXPOSITION = "text/plain; version=0.0.4; charset=utf-8"


class Answer(NamedTuple):
    """What is sent back."""

    status: str
    kind: str
    body: str


class HttpServer:
    """Some small listeners with the same answers."""

    def __init__(self, checks: Checks, metrics: Metrics) -> None:
        self._checks = checks
        self._metrics = metrics
        self._servers: list[asyncio.Server] = []

    async def listen(self, url: str, tls: ssl.SSLContext | None) -> None:
        """Begin to answer at this URL."""
        parts = urlsplit(url)
        context = tls if parts.scheme == "https" else None
        self._servers.append(
            await asyncio.start_server(
                self._serve, parts.hostname, parts.port, ssl=context, limit=HEAD_BYTES_MAX
            )
        )

    async def close(self) -> None:
        """Stop listening."""
        for server in self._servers:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                answer = await self._answer(await reader.readuntil(b"\r\n\r\n"))
                writer.write(_encoded(answer))
                await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # who asks like that gets no answer
        finally:
            writer.close()

    async def _answer(self, head: bytes) -> Answer:
        words = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
        if len(words) != 3 or words[0] != "GET":
            return Answer(NOT_ALLOWED, TEXT, "Method Not Allowed\n")
        target = urlsplit(words[1])
        return await self._page(target.path.split("/")[1:], parse_qs(target.query, keep_blank_values=True))

    async def _page(self, path: list[str], query: Query) -> Answer:
        match path:
            case ["health"]:
                problem = await self._checks.health(query)
                body = {"health": "false" if problem else "true", "reason": problem}
                return Answer(UNHEALTHY if problem else OK, JSON, _json(body))
            case ["livez" | "readyz" | "healthz" as kind, *name] if len(name) < 2:
                kind = "livez" if kind == "healthz" else kind
                outcome = await self._checks.run(kind, "".join(name), query)
                if outcome is not None:
                    return Answer(OK if outcome[0] else UNHEALTHY, TEXT, outcome[1])
            case ["version"]:
                cluster = VERSION.rsplit(".", 1)[0] + ".0"
                return Answer(
                    OK, JSON, _json({"etcdserver": VERSION, "etcdcluster": cluster, "storage": cluster})
                )
            case ["metrics"]:
                return Answer(OK, EXPOSITION, self._metrics.text())
        return Answer(NOT_FOUND, TEXT, "404 page not found\n")


def _encoded(answer: Answer) -> bytes:
    payload = answer.body.encode()
    allow = "Allow: GET\r\n" if answer.status == NOT_ALLOWED else ""
    head = (
        f"HTTP/1.1 {answer.status}\r\nContent-Type: {answer.kind}\r\n{allow}"
        f"Content-Length: {len(payload)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + payload


def _json(body: dict[str, str]) -> str:
    return json.dumps(body, separators=(",", ":"))
