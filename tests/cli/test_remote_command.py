"""kl's end of exec against a server that says what the test wants; the end-to-end tests have the real one."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path

import pytest
from websockets.sync.server import ServerConnection, serve

from cli.api import Api
from cli.errors import CliError
from cli.remote_command import V4, V5, RemoteCommand, Streams
from kube.api.errors import StatusError
from kube.base import tls
from kube.client.config import ClientConfig
from tests.support.certificates import Authority, make_authority

PATH = "/api/v1/namespaces/default/pods/p/exec"
SUCCESS = b'\x03{"status":"Success"}'
EXIT_3 = {"reason": "NonZeroExitCode", "details": {"causes": [{"reason": "ExitCode", "message": "3"}]}}

Handler = Callable[[ServerConnection], None]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return make_authority(tmp_path)


@contextmanager
def server(authority: Authority, handler: Handler, *protocols: str, refusal: bytes = b"") -> Iterator[Api]:
    """Serves every WebSocket with `handler`; with a refusal none."""

    def refuse(connection: ServerConnection, _: object) -> object:
        return connection.respond(HTTPStatus.FORBIDDEN, refusal.decode()) if refusal else None

    context = tls.server_context(*authority.pair("server"), None, require_client=False)
    with serve(
        handler, "127.0.0.1", 0, ssl=context, subprotocols=protocols or [V5, V4], process_request=refuse
    ) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        port = running.socket.getsockname()[1]
        yield Api(ClientConfig((f"https://127.0.0.1:{port}",), tls.client_context(authority.ca)))
        running.shutdown()
        thread.join()


def session(api: Api, *, has_input: bool = False) -> RemoteCommand:
    socket = api.websocket(PATH, [("command", "x y")], [V5, V4])
    return RemoteCommand(socket, Streams.own(has_input=has_input))


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Where a test types."""
    readable, writable = os.pipe()
    with open(readable) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        yield writable


def test_streams_and_the_exit_code(authority: Authority, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    def handler(socket: ServerConnection) -> None:
        assert socket.request is not None
        assert socket.request.path == f"{PATH}?command=x+y"
        socket.send(b"\x01out ")
        socket.send([b"\x01in ", b"", b"pieces"])
        socket.send(b"\x02err")
        socket.send(b"\x01")
        socket.send(b"\x03" + json.dumps(EXIT_3).encode())

    with server(authority, handler) as api:
        assert session(api).run() == 3
    assert capfdbinary.readouterr() == (b"out in pieces", b"err")


@pytest.mark.parametrize("protocol", [V5, V4])
def test_input_and_its_end(authority: Authority, typed: int, protocol: str) -> None:
    came: list[bytes] = []

    def handler(socket: ServerConnection) -> None:
        came.append(bytes(socket.recv()))
        os.close(typed)
        if protocol == V5:
            came.append(bytes(socket.recv()))
        socket.send(SUCCESS)

    with server(authority, handler, protocol) as api:
        os.write(typed, b"hello")
        assert session(api, has_input=True).run() == 0
    assert came == [b"\x00hello", b"\xff\x00"][: len(came)]
    assert len(came) == (2 if protocol == V5 else 1)


def test_a_command_may_end_before_its_input(authority: Authority, typed: int) -> None:
    def handler(socket: ServerConnection) -> None:
        socket.send(SUCCESS)

    with server(authority, handler) as api:
        os.write(typed, b"x" * 60_000)
        assert session(api, has_input=True).run() == 0
    os.close(typed)


def test_an_end_without_a_word_is_no_success(authority: Authority) -> None:
    with server(authority, lambda _: None) as api, pytest.raises(CliError, match="before the command ended"):
        session(api).run()


def test_other_failures_are_told(authority: Authority) -> None:
    def handler(socket: ServerConnection) -> None:
        socket.send(b'\x03{"status":"Failure","message":"Internal error occurred: no"}')

    with server(authority, handler) as api, pytest.raises(CliError, match="Internal error occurred: no"):
        session(api).run()


def test_a_refusal_is_the_servers(authority: Authority) -> None:
    refusal = {"kind": "Status", "reason": "Forbidden", "message": "pods is forbidden", "code": 403}
    refused = json.dumps(refusal).encode()
    with (
        server(authority, lambda _: None, refusal=refused) as api,
        pytest.raises(StatusError, match="pods is forbidden"),
    ):
        session(api)


def test_no_common_protocol(authority: Authority) -> None:
    with (
        server(authority, lambda _: None, "v1.example") as api,
        pytest.raises(StatusError, match="invalid subprotocol"),
    ):
        session(api)
