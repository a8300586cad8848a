"""Shell: shows the cluster's own processes as pods of this node, from what the launcher writes of each.

    folder with a file a process, looked at every second --> pod/process_pod.py (core) --> Mirrors
    its health, asked now and then -------------------------------'

After: kubeadm's static pods
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from kube.api import meta
from kube.api.meta import Object
from kube.base import tls
from kube.base.clock import Clock
from kube.base.logs import logger
from kube.base.startup import StartupError
from kubelet.mirrors import Mirrors
from kubelet.pod import process_pod

log = logger(__name__)

LOOK_SECONDS = 1.0
# Until a process has answered it is asked at every look, then every so many.
LOOKS_PER_QUESTION = 10
PATIENCE_SECONDS = 1.0

Shown = Mapping[str, Any]


@dataclass(slots=True)
class ProcessPods:
    """The processes of one folder; logs: the file of each pod's log, by namespace/name."""

    folder: Path
    node_name: str
    node_ip: str
    mirrors: Mirrors
    clock: Clock
    logs: dict[str, Path] = field(default_factory=dict)
    _pods: dict[str, Object] = field(default_factory=dict)
    _statuses: dict[str, Object] = field(default_factory=dict)
    _answers: dict[str, bool] = field(default_factory=dict)
    _contexts: dict[str, ssl.SSLContext] = field(default_factory=dict)

    async def run(self) -> None:
        """Follow the folder, until cancelled."""
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector()) as session:
            look = 0
            while True:
                shown = self._read()
                await asyncio.gather(
                    *(self._ask(session, each) for each in shown if self._is_due(each, look))
                )
                for each in shown:
                    self._show(each)
                look += 1
                await asyncio.sleep(LOOK_SECONDS)

    def _read(self) -> list[Shown]:
        """What the files say now; one that is being replaced is read at the next look."""
        found = []
        for path in sorted(self.folder.glob("*.json")):
            try:
                found.append(json.loads(path.read_text()))
            except (OSError, ValueError) as error:
                log.warning("cannot read what is told of a process", file=str(path), error=error)
        return found

    def _is_due(self, shown: Shown, look: int) -> bool:
        return look % LOOKS_PER_QUESTION == 0 or not self._answers.get(_life(shown))

    async def _ask(self, session: aiohttp.ClientSession, shown: Shown) -> None:
        """Note whether the process says that it is well."""
        if shown["pid"] is None:
            return
        timeout = aiohttp.ClientTimeout(total=PATIENCE_SECONDS)
        try:
            context = self._context(shown)
            async with session.get(shown["healthURL"], ssl=context, timeout=timeout) as answer:
                self._answers[_life(shown)] = answer.status == 200
        except (aiohttp.ClientError, OSError, TimeoutError, StartupError):
            self._answers[_life(shown)] = False

    def _context(self, shown: Shown) -> ssl.SSLContext:
        files = shown["authority"], shown["certificate"], shown["key"]
        if (key := "\n".join(files)) not in self._contexts:
            self._contexts[key] = tls.client_context(*files)
        return self._contexts[key]

    def _show(self, shown: Shown) -> None:
        name = shown["name"]
        if name not in self._pods:
            pod = self._pods[name] = process_pod.pod_of(shown, self.node_name)
            self.logs[meta.key(pod)] = Path(shown["log"])
            # A kubelet that comes back goes on from what the API has.
            self._statuses[name] = (self.mirrors.seen.get(meta.key(pod)) or {}).get("status") or {}
            self.mirrors.want(pod)
        answers = shown["pid"] is not None and self._answers.get(_life(shown), False)
        status = process_pod.status_of(
            self._pods[name], shown, self._statuses[name], self.node_ip, self.clock.now(), answers=answers
        )
        if status != self._statuses[name]:
            self._statuses[name] = status
            self.mirrors.report(self._pods[name], status)


def _life(shown: Shown) -> str:
    """One process from its start to its end."""
    return f"{shown['name']} {shown['pid']}"
