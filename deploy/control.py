"""Shell: the socket on which a supervisor is asked for its status or told to stop.

One JSON line each way and the connection ends. The socket lies in `run/`, which only its owner may enter.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

NAME = "supervisor.sock"
ANSWER_SECONDS = 5.0

Answer = Callable[[str], dict[str, Any]]


async def serve(run: Path, answer: Answer) -> asyncio.Server:
    """Listen in `run`, answering each command with what `answer` says."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        command = (await reader.readline()).decode().strip()
        writer.write(json.dumps(answer(command)).encode() + b"\n")
        with suppress(ConnectionError):
            await writer.drain()
            writer.close()
            await writer.wait_closed()

    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    (run / NAME).unlink(missing_ok=True)
    with _address(run) as address:
        listener.bind(address)
    return await asyncio.start_unix_server(handle, sock=listener)


async def ask(run: Path, command: str) -> dict[str, Any] | None:
    """The supervisor's answer; None when none listens."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _address(run) as address:
            connection.connect(address)
        connection.setblocking(False)
        async with asyncio.timeout(ANSWER_SECONDS):
            reader, writer = await asyncio.open_unix_connection(sock=connection)
            writer.write(command.encode() + b"\n")
            line = await reader.readline()
            writer.close()
            await writer.wait_closed()
    except (OSError, TimeoutError):
        connection.close()
        return None
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
