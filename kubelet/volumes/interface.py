"""Core: what a pod's worker asks of its volumes; `NoVolumes` for nodes whose pods only pretend to have any.

After: k8s pkg/kubelet/volumemanager/volume_manager.go, VolumeManager.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Protocol

from kube.api.meta import Object


class PodVolumes(Protocol):
    """The volumes of one node's pods."""

    async def run(self) -> None:
        """Keep files up to date, until cancelled; returns where there are none."""
        ...

    async def prepare(self, pod: Object) -> None:
        """Have everything in place, or NotMounted; costs nothing the second time."""
        ...

    def follow(self, pod: Object) -> None:
        """The pod as it is now; its labels may stand in files."""
        ...

    def path_of(self, pod_uid: str, volume: str) -> str | None:
        """Where a prepared volume lies on the node."""
        ...

    async def teardown(self, pod_uid: str) -> None:
        """Remove what was made for the pod; nothing of it runs any more."""
        ...

    async def clear_orphans(self, living: Collection[str]) -> None:
        """Remove what is left of pods that are not among these uids."""
        ...

    def on_change(self, listener: Callable[[str], None]) -> None:
        """Call `listener(uid)` when something that a pod waits for may have come."""
        ...


class NoVolumes:
    """Makes nothing: its pods find no files, and cost none."""

    async def run(self) -> None:
        return

    async def prepare(self, pod: Object) -> None:
        return

    def follow(self, pod: Object) -> None:
        return

    def path_of(self, pod_uid: str, volume: str) -> str | None:
        return None

    async def teardown(self, pod_uid: str) -> None:
        return

    async def clear_orphans(self, living: Collection[str]) -> None:
        return

    def on_change(self, listener: Callable[[str], None]) -> None:
        return
