"""A server to be attacked, and an attacker who says bytes to it."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from kube.base import tls
from tests.support.api_process import make_signing_key
from tests.support.certificates import Authority, make_authority
from tests.support.store_cluster import ROOT

HOST = "127.0.0.1"
PATIENCE_SECONDS = 60.0


class Target:
    """The server process, and ways to talk to it. `admin`, `nobody`: TLS contexts of clients;
    `sockets_at_start`: those of no client.
    """

    def __init__(self, folder: Path, limits: Mapping[str, Any] | None = None, descriptors: int = 0) -> None:
        self.folder = folder
        self.authority: Authority = make_authority(folder)
        self.authority.pair("server")
        make_signing_key(folder)
        self.admin = tls.client_context(self.authority.ca, *self.authority.pair("admin", "system:masters"))
        self.nobody = tls.client_context(self.authority.ca)
        command = [sys.executable, "-m", "tests.support.tls_server", str(folder)]
        if descriptors:
            command = ["sh", "-c", 'ulimit -n "$0" && exec "$@"', str(descriptors), *command]
        self.log = folder / "log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*command, json.dumps(dict(limits or {}))], cwd=ROOT, stdout=subprocess.PIPE, stderr=log
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.log.read_text()
        self.address = (HOST, int(line))
        self.sockets_at_start = self.socket_count()

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()

    @contextmanager
    def connected(self, context: ssl.SSLContext | None = None) -> Iterator[ssl.SSLSocket]:
        with (
            socket.create_connection(self.address, timeout=PATIENCE_SECONDS) as plain,
            (context or self.admin).wrap_socket(plain, server_hostname=HOST) as encrypted,
        ):
            yield encrypted

    def said(self, *pieces: bytes, context: ssl.SSLContext | None = None) -> bytes:
        """What the server says to these bytes until it closes the connection."""
        with self.connected(context) as connection:
            try:
                for piece in pieces:
                    connection.sendall(piece)
            except OSError:
                pass  # it has heard enough
            return read_all(connection)

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        context: ssl.SSLContext | None = None,
    ) -> tuple[int, Any]:
        """A request of its own connection: the code and the document of the answer."""
        content = body if isinstance(body, bytes) else b"" if body is None else orjson.dumps(body)
        lines = {"Host": HOST, "Connection": "close", **(headers or {})}
        if body is not None:
            lines = {"Content-Type": "application/json", "Content-Length": str(len(content)), **lines}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        answer = self.said(
            f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode("latin-1"), content, context=context
        )
        return code_of(answer), document_of(answer)

    def rss_bytes(self) -> int:
        """The memory that the process has in use."""
        return status_kib(self.process.pid, "VmRSS") << 10

    def is_alone(self) -> bool:
        """Whether no client is connected any more."""
        return self.socket_count() <= self.sockets_at_start

    def socket_count(self) -> int:
        """How many sockets it has open."""
        return sum(is_socket(each) for each in Path(f"/proc/{self.process.pid}/fd").iterdir())

    def goes_on(self) -> None:
        """Assert that it lives, and still does its work."""
        assert self.process.poll() is None, self.log.read_text()[-3000:]
        ready = b"GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n"
        listing = b"GET /api/v1/namespaces?limit=1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        answer = self.said(ready + listing)
        assert answer.count(b"HTTP/1.1 200 ") == 2
        assert b'"kind":"NamespaceList"' in answer


def is_socket(descriptor: Path) -> bool:
    try:
        return descriptor.readlink().name.startswith("socket:")
    except FileNotFoundError:
        return False  # it was closed meanwhile


def status_kib(pid: int, field: str) -> int:
    text = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith(field + ":"))


def read_all(connection: ssl.SSLSocket) -> bytes:
    """All that comes until the other side ends the connection, in whatever way."""
    found = []
    try:
        while data := connection.recv(1 << 16):
            found.append(data)
    except (ConnectionError, ssl.SSLError):
        pass
    return b"".join(found)


def code_of(answer: bytes) -> int:
    """The code of the first answer; 0 where the connection ended without one."""
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.") else 0


def document_of(answer: bytes) -> Any:
    """The JSON of an answer with a Content-Length; None for anything else."""
    try:
        return orjson.loads(answer.partition(b"\r\n\r\n")[2])
    except orjson.JSONDecodeError:
        return None
