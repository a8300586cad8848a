"""Shell: the connection with Docker Engine: aiodocker, what it lacks, and the engine's errors in our words.

Only a socket on this machine will do: the folders of pods are mounted into the containers, and their
addresses are asked for answers.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from aiodocker import Docker
from aiodocker.exceptions import DockerError

from kube.base.startup import StartupError
from kubelet.runtime.docker import oom_score
from kubelet.runtime.interface import RuntimeFailure

DEFAULT_ENDPOINT = "unix:///var/run/docker.sock"
SCHEME = "unix://"
OPEN_SECONDS = 10.0
# aiodocker's own code for "nobody is there".
NO_CONNECTION, NOT_FOUND, CONFLICT = 900, 404, 409


class EngineFailure(RuntimeFailure):
    """The engine refused or could not; `code` is that of its answer."""

    def __init__(self, text: str, code: int) -> None:
        super().__init__(text)
        self.code = code


class Engine:
    """The engine behind one socket. `lost` is why it does not answer, as long as it does not: watch.py
    keeps that.
    """

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint or os.environ.get("DOCKER_HOST", "") or DEFAULT_ENDPOINT
        self.lost: str | None = None
        self.version = self.architecture = ""
        self.lowest_oom_score = oom_score.LOWEST
        self._docker: Docker | None = None
        if not self.endpoint.startswith(SCHEME):
            raise StartupError(f"--container-runtime-endpoint {self.endpoint}: must begin with {SCHEME}")

    @property
    def docker(self) -> Docker:
        """The client of aiodocker; what is awaited of it belongs into a `translated` block."""
        assert self._docker is not None, "the runtime has not been started"
        return self._docker

    async def open(self) -> None:
        """Connect, and learn who is there."""
        # Every follower of a log keeps a connection: there is no sensible limit.
        connector = aiohttp.UnixConnector(self.endpoint.removeprefix(SCHEME), limit=0)
        session = aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout())
        self._docker = Docker(f"{SCHEME}localhost", connector=connector, session=session)
        try:
            async with asyncio.timeout(OPEN_SECONDS), self.translated():
                about = await self._docker.version()
        except TimeoutError as error:
            raise self.gone() from error
        self.version, self.architecture = about["Version"], about["Arch"]
        self.lowest_oom_score = oom_score.lowest(self.endpoint.removeprefix(SCHEME))

    async def close(self) -> None:
        if self._docker is not None:
            await self._docker.session.close()
            await self._docker.close()

    @asynccontextmanager
    async def translated(self) -> AsyncIterator[None]:
        """Inside the block the engine's errors become RuntimeFailures."""
        try:
            yield
        except DockerError as error:
            if error.status != NO_CONNECTION:
                raise EngineFailure(f"Error response from daemon: {error.message}", error.status) from error
            raise self.gone() from error
        except (aiohttp.ClientError, ConnectionError) as error:
            raise self.gone() from error

    def gone(self) -> EngineFailure:
        """That it does not answer, in Docker's words."""
        text = f"Cannot connect to the Docker daemon at {self.endpoint}. Is the docker daemon running?"
        return EngineFailure(text, NO_CONNECTION)

    @asynccontextmanager
    async def request(
        self, method: str, path: str, params: Mapping[str, str] | None = None, **body: Any
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """A request that aiodocker has no method for; `json=` or `data=` is its body."""
        docker = self.docker
        url = f"{docker.docker_host}/{docker.api_version}/{path}"
        async with self.translated(), docker.session.request(method, url, params=params, **body) as response:
            if response.status >= 400:
                raise DockerError(response.status, (await response.json())["message"])
            yield response

    async def json(self, method: str, path: str, params: Mapping[str, str] | None = None, **body: Any) -> Any:
        async with self.request(method, path, params, **body) as response:
            return await response.json()

    async def text(self, method: str, path: str, params: Mapping[str, str] | None = None, **body: Any) -> str:
        async with self.request(method, path, params, **body) as response:
            return await response.text()

    async def inspect(self, container_id: str, *, with_size: bool = False) -> dict[str, Any] | None:
        """A container as the engine has it; None where it has none. The size of its files takes longer."""
        query = {"size": "1"} if with_size else {}
        try:
            async with self.translated():
                found: dict[str, Any] = await self.docker.containers.container(container_id).show(**query)
        except EngineFailure as failure:
            if failure.code == NOT_FOUND:
                return None
            raise
        return found
