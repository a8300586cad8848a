"""Shell: GET /containerLogs: what a container wrote, and with `follow` what it writes from now on.

After: k8s pkg/kubelet/server/server.go, getContainerLogs
"""

from __future__ import annotations

from contextlib import aclosing
from functools import partial
from pathlib import Path

from aiohttp import web

from kube.api import meta
from kubelet.container_logs import LogOptions
from kubelet.logs.plain import PlainLines
from kubelet.logs.reader import read
from kubelet.runtime.interface import Container
from kubelet.server.served import Served


async def container_logs(served: Served, request: web.Request) -> web.StreamResponse:
    """Answer with the wanted lines as they are read."""
    try:
        options = LogOptions.parse(request.query, served.clock.now())
    except ValueError as error:
        raise web.HTTPBadRequest(text=str(error)) from error
    pod = served.pod(request)
    if (path := served.process_logs.get(meta.key(pod))) is not None:
        return await _process_log(served, request, path, options)
    container = served.logged(pod, request.match_info["container"], previous=options.previous)
    response = web.StreamResponse(headers={"Content-Type": "text/plain"})
    await response.prepare(request)
    await _send(served, response, container, options)
    return response


async def _process_log(
    served: Served, request: web.Request, path: Path, options: LogOptions
) -> web.StreamResponse:
    """The log of a process has all its lives in one file."""
    if options.previous:
        who = f"{request.match_info['container']!r} in pod {request.match_info['pod']!r}"
        raise web.HTTPBadRequest(text=f"previous terminated container {who} not found".replace("'", '"'))
    response = web.StreamResponse(headers={"Content-Type": "text/plain"})
    await response.prepare(request)
    lines = read(path, options, served.changes, lambda: True, PlainLines().as_cri)
    async with aclosing(lines) as pieces:
        async for piece in pieces:
            await response.write(piece)
    return response


async def _send(
    served: Served, response: web.StreamResponse, container: Container, options: LogOptions
) -> None:
    path = served.runtime.log_path(container.id)
    is_running = partial(served.is_running, container)
    async with aclosing(read(path, options, served.changes, is_running)) as pieces:
        async for piece in pieces:
            await response.write(piece)
