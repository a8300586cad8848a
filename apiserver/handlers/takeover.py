"""Shell: the answer that gives a connection away: after `101 Switching Protocols` its bytes are those of the
client and the relay, and HTTP has no more part in it.

kubectl before 1.30 asks so for SPDY: POST with `Upgrade: SPDY/3.1`, and in X-Stream-Protocol-Version what it
would speak inside.

After: k8s staging/src/k8s.io/apimachinery/pkg/util/httpstream/spdy/upgrade.go, httpstream.go (Handshake)
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from apiserver.http_protocol import TAKE_OVER
from apiserver.request import ApiRequest
from kube.api import errors

SPDY = "SPDY/3.1"
VERSION_HEADER = "X-Stream-Protocol-Version"

Relay = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def wants_spdy(request: ApiRequest) -> bool:
    """Whether the client asks for SPDY by an upgrade."""
    words = [each.strip().lower() for each in request.headers.get("connection", "").split(",")]
    return "upgrade" in words and request.headers.get("upgrade", "").lower() == SPDY.lower()


def chosen_version(request: ApiRequest, served: Sequence[str]) -> str:
    """The first protocol of the client's that is served; StatusError 403 where there is none."""
    wanted = [
        each.strip() for value in request.headers.getlist(VERSION_HEADER) for each in value.split(",")
    ] or [served[-1]]
    found = next((each for each in wanted if each in served), None)
    if found is None:
        text = f"unable to upgrade: unable to negotiate protocol: client supports {wanted}, "
        raise errors.StatusError(403, "Forbidden", f"{text}server accepts {[*served]}")
    return found


class Takeover(Response):
    """Switches protocols, and hands the connection to `relay`."""

    def __init__(self, version: str, relay: Relay) -> None:
        super().__init__(status_code=101)
        self._version, self._relay = version, relay

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        reader, writer = scope["state"][TAKE_OVER]()
        head = f"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: {SPDY}\r\n"
        writer.write(f"{head}{VERSION_HEADER}: {self._version}\r\n\r\n".encode())
        try:
            await self._relay(reader, writer)
        except ConnectionError:
            # The client left.
            return
        finally:
            writer.close()
