"""Shell: makes the volumes of a pod before it starts, keeps their files up to date, and removes them.

    <pods>/<uid>/volumes/kubernetes.io~<plugin>/<name>     one folder a volume, as the real kubelet has them
    prepare -> everything is there, or NotMounted;   follow -> the pod's newest labels, from now on
    run     -> what changed (objects, labels, tokens that grow old) is written again

Invariants: preparing twice changes nothing, so a kubelet that comes back finds the volumes as they were; a
file changes only by AtomicWriter's way; teardown leaves nothing of the pod.
Absent: CSI and all other plug-ins, image volumes, block devices, sizes of emptyDirs (recorded by nobody).
After: k8s pkg/kubelet/volumemanager; pkg/volume/{emptydir,hostpath,local}.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from kube.api import errors, meta, quantity
from kube.api.errors import StatusError
from kube.api.meta import Object
from kube.api.resources import PERSISTENT_VOLUME_CLAIMS, PERSISTENT_VOLUMES, Resource
from kube.base.clock import Clock
from kube.base.logs import logger
from kube.client.rest import Client, ConnectionFailed
from kubelet.pod.downward import Surroundings
from kubelet.pod.failures import NotMounted
from kubelet.runtime.process.shim import kernel
from kubelet.volumes import atomic_writer, claims, host_path
from kubelet.volumes.claims import HostFolder
from kubelet.volumes.files import Missing, Sources, files, follows_pod, is_written, references, token_wishes
from kubelet.volumes.objects import PodObjects
from kubelet.volumes.tokens import Tokens

log = logger(__name__)

# How often tokens are looked at, and what could not be written is tried again.
LOOK_SECONDS = 10.0
FINISHED = ("Succeeded", "Failed")
PLUGINS = {
    "emptyDir": "empty-dir",
    "configMap": "configmap",
    "secret": "secret",
    "downwardAPI": "downward-api",
    "projected": "projected",
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where volumes are made, and for whom. has_tmpfs: an emptyDir in memory is a tmpfs, where root may."""

    pods_dir: Path
    host_ip: str
    allocatable: Mapping[str, str]
    has_tmpfs: bool = False


class Volumes:
    """Of all pods of a node; see the module and kubelet.volumes.interface.PodVolumes."""

    def __init__(
        self, place: Place, client: Client, objects: PodObjects, clock: Clock, tokens: Tokens
    ) -> None:
        self._place, self._client, self._clock = place, client, clock
        self._objects, self._tokens = objects, tokens
        self._pods: dict[str, Object] = {}
        self._ready: dict[str, dict[str, str]] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._stale: set[str] = set()
        self._news = asyncio.Event()
        self._listener: Callable[[str], None] = lambda _: None
        objects.on_change(self.changed)

    def on_change(self, listener: Callable[[str], None]) -> None:
        """Call `listener(uid)` when something that a pod waits for may have come."""
        self._listener = listener

    def changed(self, pod_uid: str) -> None:
        """An object in the pod's volumes or variables changed."""
        if pod_uid in self._ready:
            self._stale.add(pod_uid)
            self._news.set()
        else:
            self._listener(pod_uid)

    def follow(self, pod: Object) -> None:
        uid = meta.uid(pod)
        if meta.get(pod, "status", "phase") in FINISHED:
            # Its files stay until it is deleted, but nobody reads them any more.
            self._leave(uid)
            return
        old = self._pods.get(uid)
        if old is None:
            if self._folder(uid).exists() and not meta.is_terminating(pod):
                # An earlier kubelet made them.
                self._pods[uid] = pod
                self._stale.add(uid)
                self._news.set()
            return
        self._pods[uid] = pod
        is_news = meta.labels(old) != meta.labels(pod) or meta.annotations(old) != meta.annotations(pod)
        if is_news and any(map(follows_pod, pod["spec"].get("volumes") or ())):
            self.changed(uid)

    async def prepare(self, pod: Object) -> None:
        uid = meta.uid(pod)
        async with self._locks.setdefault(uid, asyncio.Lock()):
            if uid in self._ready:
                return
            self._pods[uid] = pod
            self._objects.hold(uid, meta.namespace(pod), references(pod))
            ready = {}
            for volume in pod["spec"].get("volumes") or ():
                ready[volume["name"]] = await self._make(pod, volume)
            self._ready[uid] = ready
            if self._pods[uid] is not pod:
                self._stale.add(uid)

    def path_of(self, pod_uid: str, volume: str) -> str | None:
        return self._ready.get(pod_uid, {}).get(volume)

    async def teardown(self, pod_uid: str) -> None:
        async with self._locks.setdefault(pod_uid, asyncio.Lock()):
            self._leave(pod_uid)
            folder = self._folder(pod_uid)
            if folder.exists():
                await asyncio.to_thread(remove, folder)
            self._locks.pop(pod_uid, None)

    def _leave(self, pod_uid: str) -> None:
        self._objects.release(pod_uid)
        self._tokens.forget(pod_uid)
        for kept in (self._pods, self._ready):
            kept.pop(pod_uid, None)
        self._stale.discard(pod_uid)

    async def clear_orphans(self, living: Collection[str]) -> None:
        pods_dir = self._place.pods_dir
        for name in sorted(os.listdir(pods_dir)) if pods_dir.exists() else ():
            if name not in living:
                log.info("removing what is left of a pod that is gone", uid=name)
                await asyncio.to_thread(remove, pods_dir / name)

    async def run(self) -> None:
        """Write again what changed, until cancelled."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._news.wait()
            self._news.clear()
            await self.refresh()

    async def refresh(self) -> None:
        """Write again what is stale now; what cannot be written stays stale."""
        stale = {*self._stale, *self._tokens.due()} & set(self._pods)
        self._stale.clear()
        for uid in sorted(stale):
            if uid not in self._pods:
                # It went while another was written.
                continue
            try:
                await (self._rewrite(uid) if uid in self._ready else self.prepare(self._pods[uid]))
            except NotMounted as why:
                log.info("a volume stays as it is", uid=uid, why=why.message)
                self._stale.add(uid)

    async def _rewrite(self, uid: str) -> None:
        async with self._locks.setdefault(uid, asyncio.Lock()):
            pod = self._pods.get(uid)
            if pod is None:
                # It has finished or gone meanwhile.
                return
            for volume in filter(is_written, pod["spec"].get("volumes") or ()):
                await self._make(pod, volume)

    async def _make(self, pod: Object, volume: Object) -> str:
        """The volume's path on the node."""
        name = volume["name"]
        try:
            if is_written(volume):
                return await self._write(pod, volume)
            if "emptyDir" in volume:
                return self._empty_dir(pod, volume)
            if "hostPath" in volume:
                source = volume["hostPath"]
                return self._host(HostFolder(name, source["path"], source.get("type") or ""))
            if (claim := claims.claim_name(pod, volume)) is not None:
                host = await self._claimed(pod, volume, claim)
                name = host.volume_name
                return self._host(host)
        except (Missing, StatusError, ConnectionFailed, OSError) as error:
            raise NotMounted(f'MountVolume.SetUp failed for volume "{name}" : {error}') from error
        kind = next((each for each in volume if each != "name"), "")
        why_not = f'failed to get Plugin from volumeSpec for volume "{name}" err=no volume plugin matched'
        raise NotMounted(f"{claims.not_attached(name, why_not)} ({kind})")

    async def _write(self, pod: Object, volume: Object) -> str:
        space = meta.namespace(pod)
        found = {
            each: await self._objects.get(space, each)
            for each in sorted(references({"spec": {"volumes": [volume]}}))
        }
        tokens = {each: await self._tokens.get(pod, each) for each in token_wishes(volume)}
        around = Surroundings(host_ip=self._place.host_ip, allocatable=self._place.allocatable)
        made = files(volume, pod, Sources(found, tokens, around))
        folder, group = self._volume_folder(pod, volume), _group(pod)
        atomic_writer.write(folder, made, group, self._clock.now())
        return str(folder)

    def _empty_dir(self, pod: Object, volume: Object) -> str:
        folder = self._volume_folder(pod, volume)
        if folder.exists():
            return str(folder)
        folder.mkdir(parents=True)
        source = volume["emptyDir"] or {}
        if source.get("medium") == "Memory" and self._place.has_tmpfs:
            size = f",size={quantity.parse(source['sizeLimit']).value()}" if source.get("sizeLimit") else ""
            with contextlib.suppress(OSError):
                kernel.mount("tmpfs", str(folder), "tmpfs", 0, f"mode=1777{size}")
        folder.chmod(0o777)
        if (group := _group(pod)) is not None:
            with contextlib.suppress(PermissionError):
                os.chown(folder, -1, group)
                folder.chmod(0o2777)
        return str(folder)

    def _host(self, host: HostFolder) -> str:
        if host.is_local and not os.path.exists(host.path):
            why = f'MountVolume.NewMounter initialization failed for volume "{host.volume_name}" : '
            raise NotMounted(f'{why}path "{host.path}" does not exist')
        host_path.check(host.path, host.kind)
        return host.path

    async def _claimed(self, pod: Object, volume: Object, name: str) -> HostFolder:
        claim = await self._get(PERSISTENT_VOLUME_CLAIMS, meta.namespace(pod), name)
        try:
            bound = claims.bound_volume(pod, volume, claim, name)
            persistent = await self._get(PERSISTENT_VOLUMES, None, bound)
            if persistent is None:
                missing = f'persistentvolumes "{bound}" not found'
                raise NotMounted(claims.not_attached(volume["name"], missing))
            return claims.folder(volume, persistent)
        except LookupError as why:
            raise NotMounted(str(why.args[0])) from why

    async def _get(self, resource: Resource, namespace: str | None, name: str) -> Object | None:
        try:
            return await self._client.get(resource, namespace, name)
        except StatusError as error:
            if errors.is_not_found(error):
                return None
            raise

    def _folder(self, pod_uid: str) -> Path:
        return self._place.pods_dir / pod_uid / "volumes"

    def _volume_folder(self, pod: Object, volume: Object) -> Path:
        plugin = next(name for kind, name in PLUGINS.items() if kind in volume)
        folder: Path = self._folder(meta.uid(pod)) / f"kubernetes.io~{plugin}" / volume["name"]
        return folder


def _group(pod: Object) -> int | None:
    group: int | None = meta.get(pod, "spec", "securityContext", "fsGroup")
    return group


def remove(folder: Path) -> None:
    """All volumes below a folder, file systems in memory first."""
    for place in [Path(each) for each, _, _ in os.walk(folder) if os.path.ismount(each)]:
        kernel.umount(str(place))
    shutil.rmtree(folder, ignore_errors=True)
