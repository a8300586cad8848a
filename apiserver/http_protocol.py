"""Shell: everything we want of uvicorn beyond its promises: certificates, sockets, and an end.

    PeerProtocol   writes who the client certificate names into the scope of every request of its connection
    HttpServer     serves one application on several sockets that open and close while it runs

The only file that knows uvicorn's inside; pyproject.toml pins its minor version for this file's sake.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import socket
import ssl
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from apiserver.authentication.x509 import user_of
from kube.base.run import StartupError

BACKLOG = 1024
# Where handlers find what a WebSocket client offers in Sec-WebSocket-Protocol.
OFFERED_PROTOCOLS = b"x-websocket-protocols-offered"
KEEP_ALIVE_SECONDS = 90
# What is still being answered when the process ends gets this long.
SHUTDOWN_SECONDS = 2.0


class State(ServerState):
    """What all connections share; when it `is_ending`, no request begins any more.

    One that began would be cancelled with the process's other tasks, and uvicorn answers 500 then: as if it
    were over, for a write that may have happened. A connection that ends says what is true.
    """

    def __init__(self) -> None:
        super().__init__()
        self.is_ending = False


class PeerProtocol(HttpToolsProtocol):
    """One connection; its certificate is read once."""

    server_state: State

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        tls: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
        if tls is not None:
            self.app_state = {**self.app_state, "peer": user_of(tls.getpeercert())}
        if self.server_state.is_ending:
            # Its handshake was under way when the server began to end.
            transport.abort()

    def data_received(self, data: bytes) -> None:
        if self.server_state.is_ending and (self.cycle is None or self.cycle.response_complete):
            self.transport.abort()
            return
        super().data_received(data)

    def handle_websocket_upgrade(self) -> None:
        """Keep the offered protocols from the WebSocket library: it refuses kubectl's, which have a slash."""
        self.scope["headers"] = [
            (OFFERED_PROTOCOLS if name == b"sec-websocket-protocol" else name, value)
            for name, value in self.scope["headers"]
        ]
        super().handle_websocket_upgrade()


class HttpServer:
    """An ASGI application on any number of sockets; only tests leave TLS out."""

    def __init__(self, application: Any, tls: ssl.SSLContext | None) -> None:
        self._tls = tls
        self._config = uvicorn.Config(
            application,
            http=PeerProtocol,
            ws="websockets-sansio",
            lifespan="off",
            access_log=False,
            server_header=False,
            date_header=False,
            proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            log_config=None,
        )
        self._config.load()
        errors = logging.getLogger("uvicorn.error")
        errors.setLevel(logging.ERROR)
        errors.addFilter(_is_news)
        self._state = State()
        self._listeners: list[asyncio.Server] = []

    async def listen(self, listener: socket.socket) -> None:
        """Serve on a bound socket from now on."""
        loop = asyncio.get_running_loop()
        factory = functools.partial(PeerProtocol, config=self._config, server_state=self._state, app_state={})
        server = await loop.create_server(factory, sock=listener, ssl=self._tls, backlog=BACKLOG)
        self._listeners.append(server)

    async def stop(self) -> None:
        """Take no more connections and requests, let answers end, then close what is left."""
        self._state.is_ending = True
        for listener in self._listeners:
            listener.close()
        for connection in list(self._state.connections):
            connection.shutdown()
        pending = list(self._state.tasks)
        if pending:
            _, late = await asyncio.wait(pending, timeout=SHUTDOWN_SECONDS)
            for task in late:
                task.cancel()
        for connection in list(self._state.connections):
            connection.transport.close()


def _is_news(record: logging.LogRecord) -> bool:
    """A refused handshake is answered and no error, whatever uvicorn says afterwards."""
    return "without completing handshake" not in record.getMessage()


def bind(host: str, port: int, flag: str, *, shared: bool = False) -> socket.socket:
    """A bound socket; StartupError names the flag when the port is taken.

    A shared port is first claimed alone: where that works nobody else has it, and where it fails the others
    must have bound it shared too, or this fails as well.
    """
    try:
        return _bind(host, port, reuse_port=False) if not shared else _bind_shared(host, port)
    except OSError as error:
        raise StartupError(f"{flag}: cannot listen on {host}:{port}: {error.strerror}") from error


def _bind_shared(host: str, port: int) -> socket.socket:
    try:
        _bind(host, port, reuse_port=False).close()
    except OSError:
        pass
    return _bind(host, port, reuse_port=True)


def _bind(host: str, port: int, *, reuse_port: bool) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    listener.setblocking(False)
    return listener
