"""Shell: the kubelet's end of a shim's socket: requests with answers, and what it tells by itself.

After the messages in shim/wire.py.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from kubelet.runtime.interface import RuntimeFailure

# One line of the shim tells of all containers of its pod.
LINE_BYTES_MAX = 1 << 22

Message = dict[str, Any]


class ShimGone(RuntimeFailure):
    """Nobody listens there, or no longer."""


class ShimRefusal(RuntimeFailure):
    """The shim could not do it; the text says why."""


class ShimClient:
    """One connection; close it when it is no longer needed: a command that runs by it ends then."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._count = 0
        self._terminals: list[int] = []
        self._listening: asyncio.Task[None] | None = None

    @classmethod
    async def connect(
        cls, folder: Path, *, first: Message, descriptors: Sequence[int] = (), wants_terminal: bool = False
    ) -> ShimClient:
        """To the shim of the pod in that folder; the first request takes the descriptors along.

        wants_terminal: the first answer brings one.
        """
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            await _reach(connection, folder)
            line = json.dumps({"id": 0, **first}).encode() + b"\n"
            sent = socket.send_fds(connection, [line], list(descriptors))
            heard, terminals = await _first_words(connection) if wants_terminal else (b"", [])
        except BaseException as error:
            connection.close()
            if isinstance(error, OSError):
                raise ShimGone(f"the shim of the pod is gone: {error.strerror or error}") from error
            raise
        reader, writer = await asyncio.open_unix_connection(sock=connection, limit=LINE_BYTES_MAX)
        writer.write(line[sent:])
        reader.feed_data(heard)
        client = cls(reader, writer)
        client._terminals = terminals
        return client

    async def first_answer(self) -> Any:
        """To the first request, where nobody listens yet."""
        return _result(await self.next_message())

    def take_terminal(self) -> int:
        """The one that the first answer brought; who takes it closes it."""
        return self._terminals.pop()

    async def next_message(self) -> Message:
        """ShimGone at the end."""
        try:
            line = await self._reader.readline()
        except ConnectionError:
            line = b""
        if not line:
            raise ShimGone("the shim of the pod is gone")
        message: Message = json.loads(line)
        return message

    def listen(self, heard: Callable[[Message], None], gone: Callable[[], None]) -> None:
        """From now on, tell what the shim says by itself, and its end."""
        self._listening = asyncio.ensure_future(self._listen(heard, gone))

    async def ask(self, do: str, **words: Any) -> Any:
        """Its answer; ShimRefusal or ShimGone where there is none."""
        assert self._listening is not None, "somebody must listen for the answer"
        if self._listening.done():
            raise ShimGone("the shim of the pod is gone")
        self._count += 1
        answer = self._answers[self._count] = asyncio.get_running_loop().create_future()
        self._writer.write(json.dumps({"id": self._count, "do": do, **words}).encode() + b"\n")
        return _result(await answer)

    async def aclose(self) -> None:
        if self._listening:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)
        for terminal in self._terminals:
            os.close(terminal)
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    async def _listen(self, heard: Callable[[Message], None], gone: Callable[[], None]) -> None:
        try:
            while True:
                message = await self.next_message()
                if "id" in message:
                    self._answers.pop(message["id"]).set_result(message)
                else:
                    heard(message)
        except ShimGone as error:
            for answer in self._answers.values():
                answer.set_exception(error)
            gone()
        finally:
            self._writer.close()


def _result(message: Message) -> Any:
    if "error" in message:
        raise ShimRefusal(message["error"])
    return message["ok"]


async def _reach(connection: socket.socket, folder: Path) -> None:
    """By a descriptor of the folder: the path itself may be longer than an address of a socket."""
    descriptor = os.open(folder, os.O_PATH)
    try:
        await asyncio.get_running_loop().sock_connect(connection, f"/proc/self/fd/{descriptor}/shim.sock")
    finally:
        os.close(descriptor)


async def _first_words(connection: socket.socket) -> tuple[bytes, list[int]]:
    """What is said first, with the descriptors beside it, which a stream would drop."""
    loop, readable = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(connection, readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(connection)
    data, descriptors, _, _ = socket.recv_fds(connection, LINE_BYTES_MAX, 1)
    return data, descriptors
