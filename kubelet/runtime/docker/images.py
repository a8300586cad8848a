"""Shell: the images the engine has, as it last said, and what it fetches.

After: k8s v1.23 pkg/kubelet/dockershim/docker_image.go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from kubelet.runtime.docker import pause
from kubelet.runtime.docker.engine import CONFLICT, NOT_FOUND, Engine, EngineFailure
from kubelet.runtime.interface import Credentials, Image, PullFailure, RuntimeFailure

HUB = ("docker.io/library/", "docker.io/", "index.docker.io/library/", "index.docker.io/")
# A registry that cannot answer now, by the code of its answer.
UNAVAILABLE = (502, 503, 504)


class Images:
    """See the module; `refresh` asks the engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._images: dict[str, Image] = {}
        self._by_name: dict[str, Image] = {}
        self._making_pause = asyncio.Lock()

    async def refresh(self) -> None:
        """Take up what there is."""
        async with self._engine.translated():
            rows = await self._engine.docker.images.list(digests="1")
        found = [_image(row) for row in rows if pause.LABEL not in (row["Labels"] or ())]
        self._images = {image.id: image for image in found}
        self._by_name = {name: image for image in found for name in (image.id, *image.names)}

    def list(self) -> Sequence[Image]:
        return list(self._images.values())

    def find(self, name: str) -> Image | None:
        return self._by_name.get(familiar(name)) or self._by_name.get(name)

    def status_name(self, image_id: str) -> str:
        """What a container's status shows as its image's id: the digest a registry knows it by, if any."""
        image = self._images.get(image_id)
        return next((name for name in image.names if "@" in name), image_id) if image else image_id

    async def pull(self, name: str, credentials: Credentials | None) -> Image:
        try:
            async with self._engine.translated():
                await self._engine.docker.images.pull(_with_host(name), auth=_auth(credentials))
        except EngineFailure as failure:
            raise _pull_failure(failure) from failure
        await self.refresh()
        if (image := self.find(name)) is None:
            raise PullFailure(f"Error response from daemon: No such image: {name}")
        return image

    async def remove(self, image_id: str) -> None:
        """With all its names; one that is in use stays, and the engine says by whom."""
        image = self._images.get(image_id)
        for name in [*(each for each in image.names if "@" not in each), image_id] if image else [image_id]:
            try:
                async with self._engine.translated():
                    await self._engine.docker.images.delete(name)
            except EngineFailure as failure:
                if failure.code != NOT_FOUND:
                    raise
        await self.refresh()

    async def make_pause(self) -> None:
        """See to the sandbox's image; many first pods want it at once."""
        content = pause.root(self._architecture())
        repository, tag = pause.NAME.split(":")
        params = {"fromSrc": "-", "repo": repository, "tag": tag, "changes": "\n".join(pause.CHANGES)}
        async with self._making_pause:
            if not await _pause_ids(self._engine):
                await self._engine.text("POST", "images/create", params, data=content)

    def _architecture(self) -> str:
        if self._engine.architecture not in pause.PROGRAMS:
            raise RuntimeFailure(f"no sandbox image for {self._engine.architecture}")
        return self._engine.architecture


async def remove_pause(engine: Engine) -> None:
    """Take the sandbox's image away, if no other node uses it."""
    for image_id in await _pause_ids(engine):
        try:
            async with engine.translated():
                await engine.docker.images.delete(image_id)
        except EngineFailure as failure:
            if failure.code not in (NOT_FOUND, CONFLICT):
                raise


async def _pause_ids(engine: Engine) -> list[str]:
    async with engine.translated():
        return [row["Id"] for row in await engine.docker.images.list(filters={"label": [pause.LABEL]})]


def familiar(name: str) -> str:
    """An image's name as the engine lists it: without what it means anyway, and with a tag or a digest."""
    for prefix in HUB:
        if name.startswith(prefix):
            name = name.removeprefix(prefix)
            break
    folder, slash, last = name.rpartition("/")
    tagged, at, digest = last.partition("@")
    if at:
        return f"{folder}{slash}{tagged.partition(':')[0]}@{digest}"
    return name if ":" in last else f"{name}:latest"


def _image(row: Mapping[str, Any]) -> Image:
    names = [*(row["RepoDigests"] or ()), *(row["RepoTags"] or ())]
    return Image(row["Id"], [name for name in names if "<none>" not in name], row["Size"])


def _with_host(name: str) -> str:
    """What aiodocker takes credentials for: a name that has its registry's in it."""
    first, has_more, _ = name.partition("/")
    if has_more and (first == "localhost" or "." in first or ":" in first):
        return name
    return f"docker.io/{name}" if has_more else f"docker.io/library/{name}"


def _auth(credentials: Credentials | None) -> dict[str, str] | None:
    if credentials is None:
        return None
    return {"username": credentials.username, "password": credentials.password}


def _pull_failure(failure: EngineFailure) -> PullFailure:
    text = str(failure)
    if failure.code in UNAVAILABLE:
        return PullFailure(text, "RegistryUnavailable")
    return PullFailure(text, "InvalidImageName" if "invalid reference format" in text else "ErrImagePull")
