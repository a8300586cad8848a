"""The other end of a call: what gRPC hands to a service, with a simulated client behind it."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

import grpc.aio


class Refused(Exception):
    """The service ended the call with a status."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code


class Context:
    """Of a call with one answer."""

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        return ()

    async def abort(self, code: Any, text: str) -> None:
        raise Refused(code.name, text)


class Stream(Context):
    """Of a call with many: at most one response is under way, the next waits until the client took it."""

    def __init__(self) -> None:
        self._requests: deque[Any] = deque()
        self._request_came = asyncio.Event()
        self._is_ended = False
        self._under_way: Any = None
        self._taken = asyncio.Event()

    # ---- the service's side

    async def read(self) -> Any:
        while not self._requests:
            if self._is_ended:
                return grpc.aio.EOF
            self._request_came.clear()
            await self._request_came.wait()
        return self._requests.popleft()

    async def write(self, response: Any) -> None:
        while self._under_way is not None:
            self._taken.clear()
            await self._taken.wait()
        self._under_way = response

    def __aiter__(self) -> Stream:
        return self

    async def __anext__(self) -> Any:
        request = await self.read()
        if request is grpc.aio.EOF:
            raise StopAsyncIteration
        return request

    # ---- the client's side

    def ask(self, request: Any) -> None:
        self._requests.append(request)
        self._request_came.set()

    def end(self) -> None:
        """The client asks nothing more; it may still listen."""
        self._is_ended = True
        self._request_came.set()

    def take(self) -> Any:
        """The response under way, None if there is none."""
        response, self._under_way = self._under_way, None
        self._taken.set()
        return response
