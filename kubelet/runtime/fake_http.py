"""Shell: the page a fake web server answers with, on the pod's own address.

One small HTTP/1.1 responder a port. A port below 1024 that this user may not bind is served elsewhere
(kube/base/low_ports.py), where port-forwarding and the proxy find it; one warning names that and the way out.
A port that is taken costs a warning too. The pod runs in any case.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from string import Template

from kube.base import low_ports
from kube.base.logs import logger

log = logger(__name__)

# A connection on which nothing is asked for so long is closed, as nginx does.
IDLE_SECONDS = 75.0

# By name: its type, and its text, in which $HOSTNAME and $IP stand for the pod's.
PAGES = {
    "welcome": (
        "text/html",
        """<!DOCTYPE html>
<html>
<head><title>Welcome to nginx!</title></head>
<body>
<h1>Welcome to nginx!</h1>
<p>This page comes from a simulated container: the fake runtime answers on the pod's own address.</p>
</body>
</html>
""",
    ),
    "whoami": ("text/plain", "Hostname: $HOSTNAME\nIP: $IP\n"),
}


def page_of(name: str, hostname: str, ip: str) -> str:
    """The page as this pod serves it."""
    return Template(PAGES[name][1]).substitute(HOSTNAME=hostname, IP=ip)


class PageServer:
    """Answers every request on one address and port with one page, and logs it; hostname: the pod's."""

    def __init__(self, ip: str, port: int, page: str, hostname: str, log_line: Callable[[str], None]) -> None:
        self._ip = ip
        self.port, self.bound_port = port, low_ports.bindable(port)
        self._log_line = log_line
        self._type, self._body = PAGES[page][0], page_of(page, hostname, ip).encode()
        self._server: asyncio.Server | None = None
        self._is_closing = False
        self._connections: set[asyncio.Task[None]] = set()
        # Those that have had an answer and not asked again.
        self._idle: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen where that is possible."""
        try:
            self._server = await asyncio.start_server(self._serve, self._ip, self.bound_port)
        except OSError as error:
            log.warning("nobody answers on a pod's port", address=self._address, error=error.strerror)
        else:
            if self.bound_port != self.port:
                log.warning(
                    "a pod's port is served elsewhere",
                    address=self._address,
                    instead=self.bound_port,
                    why=low_ports.WAY_OUT,
                )

    def close(self) -> None:
        """Stop listening and drop idle connections; who waits for an answer gets it first, as from nginx."""
        self._is_closing = True
        if self._server is not None:
            self._server.close()
        for task in self._idle:
            task.cancel()

    @property
    def _address(self) -> str:
        return f"{self._ip}:{self.port}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)
        task.add_done_callback(self._idle.discard)
        try:
            while head := await _read_head(reader):
                self._idle.discard(task)
                self._log_line(self._access_line(head, writer.get_extra_info("peername")))
                writer.write(self._answer(head))
                await writer.drain()
                if self._is_closing or b"\nconnection: close" in head.lower() or b"HTTP/1.0" in head:
                    break
                self._idle.add(task)
        except (OSError, TimeoutError, asyncio.LimitOverrunError):
            log.debug("a connection to a pod broke off", address=self._address)
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    def _access_line(self, head: bytes, peer: tuple[str, int]) -> str:
        """A line as nginx writes it, without the time, which every line of a container has."""
        request = head.partition(b"\r\n")[0].decode("latin-1")
        return f'{peer[0]} - - "{request}" 200 {len(self._body)}'

    def _answer(self, head: bytes) -> bytes:
        lines = (
            "HTTP/1.1 200 OK",
            "Server: nginx",
            f"Content-Type: {self._type}",
            f"Content-Length: {len(self._body)}",
        )
        body = b"" if head.startswith(b"HEAD ") else self._body
        return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


async def _read_head(reader: asyncio.StreamReader) -> bytes:
    """The next request line with its headers; nothing at the end of the connection."""
    try:
        async with asyncio.timeout(IDLE_SECONDS):
            return await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return b""
