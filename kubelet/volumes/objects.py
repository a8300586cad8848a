"""Shell: the ConfigMaps and Secrets that this node's pods use, each watched alone while a pod uses it.

    hold(pod, references) -> a watch an object -> changed(pod) for each that holds it
    get -> what the watch has; a GET where nobody watches

An immutable object is not watched any more once it has been seen.
After: k8s pkg/kubelet/util/manager/watch_based_manager.go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from kube.api import errors
from kube.api.errors import StatusError
from kube.api.meta import Object
from kube.api.resources import CONFIG_MAPS, SECRETS, Resource
from kube.base.tasks import Tasks
from kube.client.informer import Informer
from kube.client.rest import Client
from kubelet.pod.environment import Reference

RESOURCES: dict[str, Resource] = {"ConfigMap": CONFIG_MAPS, "Secret": SECRETS}

Key = tuple[str, str, str]


@dataclass(slots=True)
class _Watched:
    informer: Informer
    task: asyncio.Task[None]
    pods: set[str] = field(default_factory=set)


class PodObjects:
    """See the module."""

    def __init__(self, client: Client, tasks: Tasks) -> None:
        self._client, self._tasks = client, tasks
        self._changed: Callable[[str], None] = lambda _: None
        self._watched: dict[Key, _Watched] = {}
        self._held: dict[str, set[Key]] = {}

    @property
    def watch_count(self) -> int:
        """How many watches are held now."""
        return sum(not each.task.done() for each in self._watched.values())

    def on_change(self, listener: Callable[[str], None]) -> None:
        """Call `listener(uid)` for each pod that holds an object that changed."""
        self._changed = listener

    def hold(self, pod_uid: str, namespace: str, references: Iterable[Reference]) -> None:
        """Watch these for the pod from now on, and no others."""
        keys = {(kind, namespace, name) for kind, name in references}
        for key in self._held.get(pod_uid, set()) - keys:
            self._leave(pod_uid, key)
        for key in sorted(keys):
            if key not in self._watched:
                self._watch(key)
            self._watched[key].pods.add(pod_uid)
        self._held[pod_uid] = keys

    def release(self, pod_uid: str) -> None:
        """The pod is gone."""
        for key in self._held.pop(pod_uid, set()):
            self._leave(pod_uid, key)

    async def get(self, namespace: str, reference: Reference) -> Object | None:
        """The object, None where there is none; StatusError or ConnectionFailed where nobody can tell."""
        kind, name = reference
        watched = self._watched.get((kind, namespace, name))
        if watched is not None and watched.informer.has_synced:
            return watched.informer.store.get(f"{namespace}/{name}")
        try:
            return await self._client.get(RESOURCES[kind], namespace, name)
        except StatusError as error:
            if errors.is_not_found(error):
                return None
            raise

    def _watch(self, key: Key) -> None:
        kind, namespace, name = key
        informer = Informer(self._client, RESOURCES[kind], namespace, field_selector=f"metadata.name={name}")

        def tell(*seen: Object) -> None:
            if seen[-1].get("immutable") and key in self._watched:
                self._watched[key].task.cancel()
            for uid in list(self._watched[key].pods) if key in self._watched else ():
                self._changed(uid)

        informer.add_handler(tell, tell, tell)
        task = self._tasks.start(f"watch {kind} {namespace}/{name}", informer.run)
        self._watched[key] = _Watched(informer, task)

    def _leave(self, pod_uid: str, key: Key) -> None:
        watched = self._watched[key]
        watched.pods.discard(pod_uid)
        if not watched.pods:
            watched.task.cancel()
            del self._watched[key]
