"""Shell: where a member listens, and the certificates it shows and asks for.

Every port is claimed once by a plain bind before anything else is done: gRPC would report a port in use late,
and in words of its own.
"""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import grpc

from etcdlite.errors import StartupError

PING_STRIKES = 2  # pings that come too early before a client is cut off; grpc's default
NEVER_MS = 2**31 - 1


@dataclass(frozen=True, slots=True)
class GrpcLimits:
    """What one client's connection may do, and how soon a silent one is given up; seconds, 0: never."""

    stream_count: int = 2**31 - 1
    min_ping_seconds: float = 5.0
    ping_seconds: float = 10.0
    ping_timeout_seconds: float = 5.0

    def options(self) -> list[tuple[str, int]]:
        """For a gRPC server."""
        return [
            ("grpc.so_reuseport", 0),
            ("grpc.max_receive_message_length", -1),
            ("grpc.max_send_message_length", -1),
            ("grpc.max_concurrent_streams", self.stream_count),
            ("grpc.http2.min_ping_interval_without_data_ms", round(self.min_ping_seconds * 1000)),
            ("grpc.http2.max_ping_strikes", PING_STRIKES if self.min_ping_seconds else 0),
            ("grpc.keepalive_permit_without_calls", 1),
            ("grpc.keepalive_time_ms", round(self.ping_seconds * 1000) or NEVER_MS),
            ("grpc.keepalive_timeout_ms", round(self.ping_timeout_seconds * 1000) or NEVER_MS),
        ]


@dataclass(frozen=True, slots=True)
class Tls:
    """The files of one side: what we show, and whom we trust."""

    cert: str = ""
    key: str = ""
    ca: str = ""
    require_client: bool = False

    @property
    def is_on(self) -> bool:
        return bool(self.cert)

    def server_credentials(self) -> grpc.ServerCredentials | None:
        if not self.is_on:
            return None
        pair = (_read(self.key), _read(self.cert))
        ca = _read(self.ca) if self.ca else None
        return grpc.ssl_server_credentials([pair], ca, self.require_client)

    def context(self) -> ssl.SSLContext | None:
        """The same for the sockets that are not gRPC's."""
        if not self.is_on:
            return None
        context = self._loaded(ssl.PROTOCOL_TLS_SERVER)
        if self.ca:
            context.verify_mode = ssl.CERT_REQUIRED if self.require_client else ssl.CERT_OPTIONAL
        return context

    def client_context(self) -> ssl.SSLContext | None:
        """How this side calls others of its kind."""
        if not self.is_on:
            return None
        context = self._loaded(ssl.PROTOCOL_TLS_CLIENT)
        if not self.ca:
            context.load_default_certs()
        return context

    def _loaded(self, protocol: int) -> ssl.SSLContext:
        """A context with the pair shown and the authority trusted."""
        for path in filter(None, (self.cert, self.key, self.ca)):
            _read(path)  # ssl does not say which file it missed
        context = ssl.SSLContext(protocol)
        try:
            context.load_cert_chain(self.cert, self.key)
            if self.ca:
                context.load_verify_locations(self.ca)
        except ssl.SSLError as error:
            raise StartupError(f"{self.cert}, {self.key}, {self.ca}: {error}") from error
        return context


def claim(flag: str, url: str, tls: Tls) -> None:
    """Refuse a URL that cannot be served."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or not parts.port:
        raise StartupError(f"{flag}: {url!r} is not scheme://host:port")
    if parts.scheme == "https":
        if not tls.is_on:
            raise StartupError(f"{flag} {url}: https needs a certificate and its key")
        tls.context()
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            parts.hostname, parts.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen()
    except OSError as error:
        raise StartupError(f"{flag} {url}: {error.strerror or error}") from error


def bind(flag: str, server: Any, url: str, tls: Tls) -> None:
    """Let a gRPC server listen at a claimed URL."""
    parts = urlsplit(url)
    credentials = tls.server_credentials() if parts.scheme == "https" else None
    try:
        if credentials is None:
            server.add_insecure_port(parts.netloc)
        else:
            server.add_secure_port(parts.netloc, credentials)
    except RuntimeError as error:
        raise StartupError(f"{flag} {url}: cannot listen there: {error}") from error


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise StartupError(f"{path}: {error.strerror}") from error
