"""Shell: /exec and /attach: a command in a container, or the container's own, with a client's streams.

/run is a command without any.

After: k8s pkg/kubelet/server/server.go, getExec, getAttach and getRun
"""

from __future__ import annotations

from aiohttp import web

from kubelet.runtime.interface import RuntimeFailure
from kubelet.server.served import Served
from kubelet.streaming import remote_command
from kubelet.streaming.channels import Options
from kubelet.streaming.remote_command import RemoteCommand

# How long a command may take whose client waits for its end.
RUN_SECONDS = 120.0


async def execute(served: Served, request: web.Request) -> web.StreamResponse:
    """Run a command in a container with the client's streams."""
    container, options = served.running(request), _options(request)
    command = request.query.getall("command", [])
    if not command:
        raise web.HTTPBadRequest(text="you must specify at least one command for the container")

    async def run(streams: RemoteCommand) -> int:
        return await served.runtime.exec(container.id, command, streams, is_terminal=options.is_terminal)

    return await remote_command.serve(request, options, run)


async def attach(served: Served, request: web.Request) -> web.StreamResponse:
    """Join a client with the streams of the container's own process."""
    container, options = served.running(request), _options(request)

    async def run(streams: RemoteCommand) -> int:
        streams.has_end = options.stdin
        await served.runtime.attach(container.id, streams, is_terminal=options.is_terminal)
        return 0

    return await remote_command.serve(request, options, run)


async def run(served: Served, request: web.Request) -> web.StreamResponse:
    """Run a command to its end, and answer with what it wrote."""
    container = served.running(request)
    command = request.query.get("cmd", "").split()
    if not command:
        raise web.HTTPBadRequest(text="you must specify at least one command for the container")
    try:
        result = await served.runtime.exec_sync(container.id, command, RUN_SECONDS)
    except (RuntimeFailure, TimeoutError) as error:
        raise web.HTTPInternalServerError(text=str(error) or "the command took too long") from error
    if result.exit_code:
        text = f"command '{' '.join(command)}' exited with {result.exit_code}: "
        raise web.HTTPInternalServerError(text=text + result.output.decode(errors="replace"))
    return web.Response(body=result.output, content_type="application/json")


def _options(request: web.Request) -> Options:
    try:
        return Options.parse(request.query)
    except ValueError as error:
        raise web.HTTPBadRequest(text=str(error)) from error
