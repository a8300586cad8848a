"""Shell: the socket on which a supervisor is asked for its status or told what to do.

    -> kill etcd-0 etcd-1
    <- {"done": {"etcd-0": 4711, "etcd-1": 4712}}      or {"error": "no process etcd-7; ..."}

One line of words, one of JSON, and the connection ends. The socket lies in `run/`, which only its owner may
enter.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

NAME = "supervisor.sock"
ANSWER_SECONDS = 5.0

Answer = Callable[[list[str]], Awaitable[dict[str, Any]]]


def listen(run: Path) -> socket.socket:
    """The socket in `run`, open for callers from now on, though nobody answers yet."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    (run / NAME).unlink(missing_ok=True)
    with _address(run) as address:
        listener.bind(address)
    listener.listen()
    return listener


async def serve(listener: socket.socket, answer: Answer) -> asyncio.Server:
    """Answer each command with what `answer` says."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        words = (await reader.readline()).decode().split()
        with suppress(ConnectionError):
            writer.write(json.dumps(await answer(words)).encode() + b"\n")
            await writer.drain()
            writer.close()
            await writer.wait_closed()

    return await asyncio.start_unix_server(handle, sock=listener)


async def ask(run: Path, *words: str, seconds: float = ANSWER_SECONDS) -> dict[str, Any] | None:
    """The supervisor's answer; None when there is none, TimeoutError when it has no time."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _address(run) as address:
            connection.connect(address)
    except (FileNotFoundError, ConnectionRefusedError):
        connection.close()
        return None
    connection.setblocking(False)
    reader, writer = await asyncio.open_unix_connection(sock=connection)
    try:
        async with asyncio.timeout(seconds):
            writer.write(" ".join(words).encode() + b"\n")
            line = await reader.readline()
    except ConnectionError:
        return None
    finally:
        writer.close()
    answer = json.loads(line) if line else None
    assert answer is None or isinstance(answer, dict)
    return answer


@contextmanager
def _address(run: Path) -> Iterator[str]:
    """The socket's path by way of its folder's descriptor: a socket's path may have only 107 bytes."""
    folder = os.open(run, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{NAME}"
    finally:
        os.close(folder)
