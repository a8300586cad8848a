"""Shell: GET /containerLogs: what a container wrote, and with `follow` what it writes from now on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

from aiohttp import web

from kubelet.container_logs import LogOptions, select
from kubelet.runtime.interface import Container
from kubelet.server.served import Served

# How often a followed log is looked at for new lines.
FOLLOW_SECONDS = 0.2


async def container_logs(served: Served, request: web.Request) -> web.StreamResponse:
    """Answer with the wanted lines as they are read."""
    try:
        options = LogOptions.parse(request.query, served.clock.now())
    except ValueError as error:
        raise web.HTTPBadRequest(text=str(error)) from error
    pod = served.pod(request)
    container = served.logged(pod, request.match_info["container"], previous=options.previous)
    response = web.StreamResponse(headers={"Content-Type": "text/plain"})
    await response.prepare(request)
    await _send(served, response, container, options)
    return response


async def _send(
    served: Served, response: web.StreamResponse, container: Container, options: LogOptions
) -> None:
    """Send what there is; with `follow` also what comes, until the container ends."""
    lines, position = _read_lines(served.runtime.log_path(container.id), 0)
    await response.write(select(lines, options))
    if options.follow:
        async for more in follow(served, container, position):
            await response.write(select(more, LogOptions(timestamps=options.timestamps)))


async def follow(served: Served, container: Container, position: int) -> AsyncIterator[list[str]]:
    """The lines after a position as they come, until the container ends."""
    path = served.runtime.log_path(container.id)
    while True:
        is_running = served.is_running(container)
        lines, position = _read_lines(path, position)
        if lines:
            yield lines
        elif not is_running:
            return
        else:
            await asyncio.sleep(FOLLOW_SECONDS)


def _read_lines(path: Path, position: int) -> tuple[list[str], int]:
    """The whole lines after a position, and the position after them."""
    if not path.exists():
        return [], position
    with path.open("rb") as log:
        log.seek(position if position <= path.stat().st_size else 0)
        data = log.read()
        end = data.rfind(b"\n") + 1
        return data[:end].decode().splitlines(keepends=True), log.tell() - len(data) + end
