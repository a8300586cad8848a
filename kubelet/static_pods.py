"""Shell: runs the pods that the files of a folder tell of, with an API server or without one.

    folder, looked at every second --> parse --> a worker each, as for any pod
                                                  '- its status goes to the pod's mirror (mirrors.py)

A file that changed is another pod: the old one ends before the new one of that name starts. A file that is
no pod is told of in the log, once, by its name, and what it told of before runs on.

After: k8s pkg/kubelet/config/file.go, file_linux.go
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from kube.api import meta
from kube.api.meta import Object
from kube.api.resources import PODS, Resource
from kube.base.logs import logger
from kube.client.rest import Client
from kubelet.mirrors import Mirrors
from kubelet.pod import static

log = logger(__name__)

LOOK_SECONDS = 1.0

# When and how long a file is: another one is read anew.
Mark = tuple[int, int]


@dataclass(slots=True)
class Running:
    """A static pod that has a worker; `end` asks that to end it, once."""

    pod: Object
    end: Callable[[], None]
    is_ending: bool = False


@dataclass(slots=True)
class StaticPods:
    """The pods of one folder; start: gives a pod a worker, and tells by its second argument when nothing is
    left of it.
    """

    folder: Path
    node_name: str
    mirrors: Mirrors
    start: Callable[[Object, Callable[[], None]], Callable[[], None]]
    _marks: dict[str, Mark] = field(default_factory=dict)
    _told: dict[str, Object] = field(default_factory=dict)
    _running: dict[str, Running] = field(default_factory=dict)

    async def run(self) -> None:
        """Follow the folder, until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(LOOK_SECONDS)

    def look(self) -> None:
        """Make what runs be what the files tell of now."""
        marks = self._files()
        for name in self._told.keys() - marks.keys():
            del self._told[name]
        for name, mark in marks.items():
            if self._marks.get(name) != mark:
                self._read(name)
        self._marks = marks
        self._sync()

    def _files(self) -> dict[str, Mark]:
        try:
            files = [each for each in self.folder.iterdir() if each.is_file() and each.name[0] != "."]
            told = {each.name: each.stat() for each in sorted(files)}
        except OSError:
            # The folder or a file in it has just gone: the next look sees what there is.
            return {} if not self.folder.exists() else self._marks
        return {name: (stat.st_mtime_ns, stat.st_size) for name, stat in told.items()}

    def _read(self, name: str) -> None:
        path = self.folder / name
        try:
            self._told[name] = static.parse(path.read_text(), str(path), self.node_name)
        except (OSError, ValueError) as error:
            log.error("cannot use a static pod's file", file=str(path), error=error)

    def _sync(self) -> None:
        wanted = static.by_key(self._told.values())
        for key, running in self._running.items():
            is_wanted = key in wanted and meta.uid(wanted[key]) == meta.uid(running.pod)
            if not is_wanted and not running.is_ending:
                running.is_ending = True
                running.end()
                self.mirrors.unwant(running.pod)
        for key, pod in wanted.items():
            if key not in self._running:
                self._start(key, pod)

    def _start(self, key: str, pod: Object) -> None:
        def left() -> None:
            del self._running[key]
            self._sync()

        log.info("starting a static pod", pod=key, uid=meta.uid(pod))
        self._running[key] = Running(pod, self.start(pod, left))
        self.mirrors.want(pod)


class MirroredClient:
    """A client for a static pod's worker: what it writes of the pod goes to the mirror, all else on."""

    def __init__(self, client: Client, mirrors: Mirrors, pod: Object) -> None:
        self._client, self._mirrors, self._pod = client, mirrors, pod

    @classmethod
    def of(cls, client: Client, mirrors: Mirrors, pod: Object) -> Client:
        return cast("Client", cls(client, mirrors, pod))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    async def patch(self, resource: Resource, *args: Any, **options: Any) -> Object:
        """The pod's own status is for its mirror."""
        if resource is not PODS:
            return await self._client.patch(resource, *args, **options)
        self._mirrors.report(self._pod, args[2]["status"])
        return {"metadata": {"resourceVersion": meta.resource_version(self._pod)}}

    async def delete(self, resource: Resource, *args: Any, **options: Any) -> Object:
        """A static pod ends with its file."""
        return {} if resource is PODS else await self._client.delete(resource, *args, **options)
