"""Shell: everything we want of uvicorn beyond its promises: certificates, limits, sockets, and an end.

    PeerProtocol   writes who the client certificate names into the scope of every request of its connection,
                   WebSockets' too, gives up on who sends too slowly or too much, and gives a connection
                   away to who speaks no HTTP on it
    PeerSocket     tells at once that a WebSocket's client is gone
    HttpServer     serves one application on several sockets that open and close while it runs

The only file that knows uvicorn's inside; pyproject.toml pins its minor version for this file's sake.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import resource
import socket
import ssl
import sys
from typing import Any

import orjson
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState

from apiserver.authentication.peers import Peers
from kube.api import errors
from kube.base.run import StartupError

BACKLOG = 1024
# Where handlers find what a WebSocket client offers in Sec-WebSocket-Protocol.
OFFERED_PROTOCOLS = b"x-websocket-protocols-offered"
# One of these may be no protocol, but a token, in base64.
TOKEN_PROTOCOL = "base64url.bearer.authorization.k8s.io."
# Where handlers find, in a request's state, how to take the connection over.
TAKE_OVER = "take_over"
# ... and the event that its client has left.
GONE = "gone"
KEEP_ALIVE_SECONDS = 90
# Within these a connection must be encrypted, a request's headers be complete, and then its body.
HANDSHAKE_SECONDS = 10.0
HEADER_SECONDS = 32.0
BODY_SECONDS = 60.0
# The first line of a request and its headers together.
HEADER_BYTES_MAX = 1 << 20
# ... and how many headers: each is looked at by every filter.
HEADERS_MAX = 1000
# What frames a body in pieces (sizes, extensions, and the headers that may follow it, which nobody reads) may
# be this much of it, and HEADER_BYTES_MAX besides.
FRAMING_RATIO = 16
# Requests that wait on one connection for the answer to an earlier one.
PIPELINE_MAX = 16
# For so long a client may take nothing of an answer whose end is known; a stream waits for its reader.
WRITE_SECONDS = 60.0
# Descriptors kept back for the store, kubelets and files: who would take the last ones is not served.
DESCRIPTORS_KEPT = 128
TOO_LARGE = b"431 Request Header Fields Too Large"
BAD_REQUEST = b"400 Bad Request"
INTERNAL = errors.internal("the request failed; the log says why").status()
# One message of a WebSocket, as large as Go's servers take: Python's clients send a whole file in one.
MESSAGE_BYTES_MAX = 32 << 20
# What is still being answered when the process ends gets this long.
SHUTDOWN_SECONDS = 2.0


class State(ServerState):
    """What all connections share; when it `is_ending`, no request begins any more. More than
    `connections_max` are not served.

    One that began would be cancelled with the process's other tasks, and uvicorn answers 500 then: as if it
    were over, for a write that may have happened. A connection that ends says what is true.
    """

    def __init__(self, peers: Peers) -> None:
        super().__init__()
        self.is_ending = False
        self.peers = peers
        self.connections_max = connections_max(resource.getrlimit(resource.RLIMIT_NOFILE)[0])


def connections_max(descriptors: int) -> int:
    """How many of so many descriptors may be clients'; at least half of them."""
    if descriptors == resource.RLIM_INFINITY:
        return sys.maxsize
    return max(descriptors - DESCRIPTORS_KEPT, descriptors // 2)


class PeerProtocol(HttpToolsProtocol):
    """One connection; its certificate is read once.

    `_deadline` ends it when what is being received, headers or a body, is not complete in time; `_stalled`
    when an answer is not taken.
    """

    server_state: State

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._deadline: asyncio.TimerHandle | None = None
        self._stalled: asyncio.TimerHandle | None = None
        self._is_in_headers, self._is_in_body = False, False
        self._header_bytes, self._framing_bytes = 0, 0
        self._refusal = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self._expect(HEADER_SECONDS)
        self._gone = asyncio.Event()
        self.app_state = {**self.app_state, TAKE_OVER: self._take_over, GONE: self._gone}
        tls: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
        if tls is not None:
            self.app_state = {
                **self.app_state,
                "peer": self.server_state.peers.of(tls.getpeercert(), tls.getpeercert(binary_form=True)),
            }
        # When the server began to end its handshake was under way.
        if self.server_state.is_ending or len(self.connections) > self.server_state.connections_max:
            transport.abort()

    def data_received(self, data: bytes) -> None:
        if self.server_state.is_ending and (self.cycle is None or self.cycle.response_complete):
            self.transport.abort()
            return
        if self._is_in_body:
            self._framing_bytes += len(data)
        else:
            self._header_bytes += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        if (self._is_in_headers and self._header_bytes > HEADER_BYTES_MAX) or (
            self._is_in_body and self._framing_bytes > HEADER_BYTES_MAX
        ):
            self._refuse(TOO_LARGE)
        elif (self._is_in_headers or self._is_in_body) and self._deadline is None:
            self._expect(HEADER_SECONDS if self._is_in_headers else BODY_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        self._gone.set()
        self._relax()
        self._go_on()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        self._is_in_headers = True
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        # Those that come after a body in pieces would get past all filters.
        if self._is_in_headers:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._relax()
        self._is_in_headers, self._is_in_body = False, True
        self._header_bytes, self._framing_bytes = 0, 0
        self._check_headers()
        before = self.cycle
        super().on_headers_complete()
        if self.cycle is before:
            return
        self.cycle.send_500_response = functools.partial(self._fail, self.cycle)  # type: ignore[method-assign]
        if len(self.pipeline) > PIPELINE_MAX:
            raise _Refused(BAD_REQUEST)

    def _check_headers(self) -> None:
        """Refuse what the parser lets pass: httptools answers an exception here with `send_400_response`."""
        if len(self.headers) > HEADERS_MAX:
            self._refusal = TOO_LARGE
            raise _Refused(TOO_LARGE)
        if sum(name == b"host" for name, _ in self.headers) > 1 or self.parser.get_method() == b"CONNECT":
            raise _Refused(BAD_REQUEST)

    def on_body(self, body: bytes) -> None:
        self._framing_bytes = max(0, self._framing_bytes - (1 + FRAMING_RATIO) * len(body))
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._relax()
        self._is_in_body, self._header_bytes = False, 0
        super().on_message_complete()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stalled = self.loop.call_later(WRITE_SECONDS, self._end_stalled)

    def resume_writing(self) -> None:
        self._go_on()
        super().resume_writing()

    def _go_on(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def _end_stalled(self) -> None:
        if self.cycle is None or not self.cycle.chunked_encoding:
            self.transport.abort()

    def send_400_response(self, msg: str) -> None:
        self._refuse(self._refusal or BAD_REQUEST)

    def _take_over(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Give the connection away, with the request under way: who takes it answers."""
        self._relax()
        self._go_on()
        self.connections.discard(self)
        self.cycle.response_started = self.cycle.response_complete = True
        reader = asyncio.StreamReader(loop=self.loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=self.loop)
        protocol.connection_made(self.transport)
        self.transport.set_protocol(protocol)
        self.flow.resume_reading()
        return reader, asyncio.StreamWriter(self.transport, protocol, reader, self.loop)

    def _expect(self, seconds: float) -> None:
        self._deadline = self.loop.call_later(seconds, self.transport.abort)

    def _relax(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _refuse(self, status: bytes) -> None:
        """Answer what cannot be read to its end, unless another answer is under way."""
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            self.transport.write(refusal(status))
        self.transport.close()

    async def _fail(self, cycle: RequestResponseCycle) -> None:
        """In place of uvicorn's 500 in plain text, after the application has raised.

        A request that was cancelled is not answered: nobody knows whether it happened.
        """
        if self.server_state.is_ending or isinstance(sys.exception(), asyncio.CancelledError):
            self.transport.abort()
            return
        headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
        await cycle.send({"type": "http.response.start", "status": 500, "headers": headers})
        await cycle.send({"type": "http.response.body", "body": orjson.dumps(INTERNAL), "more_body": False})

    def handle_websocket_upgrade(self) -> None:
        """Keep the offered protocols from the WebSocket library: it refuses kubectl's, which have a slash."""
        self._relax()
        self._go_on()
        self._is_in_body = False
        self.scope["headers"] = [
            (OFFERED_PROTOCOLS if name == b"sec-websocket-protocol" else name, value)
            for name, value in self.scope["headers"]
        ]
        super().handle_websocket_upgrade()


class _Refused(Exception):
    """Stops the parser at headers that it would let pass; the text is the status."""


def refusal(status: bytes) -> bytes:
    """An answer to what nobody reads to its end."""
    text = status + b"\n"
    head = b"HTTP/1.1 %s\r\ncontent-type: text/plain; charset=utf-8\r\nconnection: close\r\n" % status
    return head + b"content-length: %d\r\n\r\n%b" % (len(text), text)


class PeerSocket(WebSocketsSansIOProtocol):
    """A connection that became a WebSocket. That it is lost is told at once, not behind all that was sent."""

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self.handshake_initiated:
            # Its library takes fewer and shorter headers than HTTP, and says nothing about others.
            self.transport.write(refusal(TOO_LARGE))
            self.transport.close()

    def handle_ping(self) -> None:
        # Who takes no answers to his pings gets none, lest they pile up.
        answer = b"".join(self.conn.data_to_send())
        if self.writable.is_set():
            self.transport.write(answer)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        self.app_state = {**self.app_state, GONE: asyncio.Event()}
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.app_state[GONE].set()
        super().connection_lost(exc)


class HttpServer:
    """An ASGI application on any number of sockets; only tests leave TLS out. peers: whose certificates."""

    def __init__(self, application: Any, tls: ssl.SSLContext | None, peers: Peers | None = None) -> None:
        self._tls = tls
        self._config = uvicorn.Config(
            application,
            http=PeerProtocol,
            ws=PeerSocket,
            ws_max_size=MESSAGE_BYTES_MAX,
            # A ping finds out by TCP that a client's machine is gone. Who just does not answer it may be a
            # program in Python that reads when it likes.
            ws_ping_timeout=None,
            lifespan="off",
            access_log=False,
            server_header=False,
            date_header=False,
            proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            log_config=None,
        )
        self._config.load()
        log = logging.getLogger("uvicorn.error")
        log.setLevel(logging.ERROR)
        log.addFilter(_is_news)
        self._state = State(peers or Peers())
        self._listeners: list[asyncio.Server] = []

    async def listen(self, listener: socket.socket) -> None:
        """Serve on a bound socket from now on."""
        loop = asyncio.get_running_loop()
        factory = functools.partial(PeerProtocol, config=self._config, server_state=self._state, app_state={})
        seconds = HANDSHAKE_SECONDS if self._tls else None
        server = await loop.create_server(
            factory, sock=listener, ssl=self._tls, backlog=BACKLOG, ssl_handshake_timeout=seconds
        )
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


def raise_descriptor_limit() -> None:
    """As many descriptors as this process may have, as programs in Go take them: each connection is one."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


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
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Only where the protocol is named does asyncio turn Nagle's delay off: without it the body of an answer
    # waits 40 ms for the client to acknowledge the head.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
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
