"""HTTP clients of a Service: one connection for each request, no retries; every answer is kept."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

REQUEST = b"GET / HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n"
OK = "HTTP/1.1 200 OK"
PAUSE_SECONDS = 0.01


@dataclass(frozen=True, slots=True)
class Answer:
    """One request: when it began and ended, in loop times, and its status line or what went wrong."""

    began: float
    ended: float
    text: str


async def ask(host: str, port: int, came_from: str = "") -> str:
    """The status line of an answer, or what went wrong; came_from: the client's address."""
    try:
        whence = (came_from, 0) if came_from else None
        reader, writer = await asyncio.open_connection(host, port, local_addr=whence)
        try:
            writer.write(REQUEST)
            answer = await reader.read()
        finally:
            writer.close()
        await writer.wait_closed()
    except OSError as error:
        return repr(error)
    return answer.partition(b"\r\n")[0].decode() or "nothing"


async def ask_for_ever(host: str, port: int, answers: list[Answer], pause: float = PAUSE_SECONDS) -> None:
    """A client that asks again and again."""
    now = asyncio.get_running_loop().time
    while True:
        began = now()
        text = await ask(host, port)
        answers.append(Answer(began, now(), text))
        await asyncio.sleep(pause)
