"""Shell: starts a container of a pod: its image, what it is made of, the start, the hook after it.

    image -> create -> start -> postStart;  what fails on the way is the reason it waits for (CannotStart)

After: k8s pkg/kubelet/kuberuntime/kuberuntime_container.go, startContainer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from typing import Any

from kube.api.meta import Object
from kube.client.events import NORMAL, WARNING
from kubelet import hooks
from kubelet.images import Images
from kubelet.pod.failures import CannotConfigure, CannotStart, PodEnds
from kubelet.pod.plan import StartContainer, StopContainer, grace_seconds
from kubelet.runtime.interface import Container, ContainerConfig, Runtime, RuntimeFailure
from kubelet.stopping import Stopping
from kubelet.termination_messages import TerminationMessages

# Of each container of a pod, as the real kubelet's --maximum-dead-containers-per-container.
DEAD_KEPT = 1

Tell = Callable[[str, str, str, str], None]
Configure = Callable[[Object, int], Awaitable[ContainerConfig]]


class Starting:
    """Of one pod; tell: records an event (type, reason, message, container); configure: what a container (its
    spec, its attempt) is made of; ending: set once the pod's end is asked for.
    """

    def __init__(
        self,
        runtime: Runtime,
        images: Images,
        messages: TerminationMessages,
        stopping: Stopping,
        configure: Configure,
        tell: Tell,
        ending: asyncio.Event,
    ) -> None:
        self._runtime, self._images, self._messages = runtime, images, messages
        self._stopping, self._configure, self._tell = stopping, configure, tell
        self._ending = ending

    async def start(self, pod: Object, action: StartContainer) -> None:
        """Make it run, or CannotStart."""
        spec, name = action.spec, action.spec["name"]
        try:
            container_id = action.created or await self._create(pod, action)
        except CannotStart as why:
            # A failure to pull has its reason in the event, any other its message.
            is_image = not isinstance(why, CannotConfigure) and why.reason != "CreateContainerError"
            self._tell(WARNING, "Failed", f"Error: {why.reason if is_image else why.message}", name)
            raise
        try:
            await self._runtime.start_container(container_id)
        except RuntimeFailure as failure:
            self._tell(WARNING, "Failed", f"Error: {failure}", name)
            raise CannotStart("RunContainerError", str(failure)) from failure
        self._tell(NORMAL, "Started", "Container started", name)
        await self._post_start(pod, spec, container_id)

    async def _create(self, pod: Object, action: StartContainer) -> str:
        spec = action.spec
        await self._unless_ending(self._images.ensure(pod, spec))
        config = await self._configure(spec, action.attempt)
        config = replace(config, mounts=[*config.mounts, *self._messages.mounts(spec, action.attempt)])
        await self._forget_dead(pod, spec["name"])
        try:
            container_id = await self._runtime.create_container(pod["metadata"]["uid"], config)
        except RuntimeFailure as failure:
            raise CannotStart("CreateContainerError", str(failure)) from failure
        self._tell(NORMAL, "Created", "Container created", spec["name"])
        return container_id

    async def _forget_dead(self, pod: Object, name: str) -> None:
        """Of those that ended before keep the last, which users are told of."""
        containers = self._runtime.containers_of(pod["metadata"]["uid"])
        dead = [each for each in containers if each.name == name and each.is_exited]
        for each in dead[: len(dead) - DEAD_KEPT]:
            await self._runtime.remove_container(each.id)

    async def _post_start(self, pod: Object, spec: Object, container_id: str) -> None:
        if not (spec.get("lifecycle") or {}).get("postStart"):
            return
        container = self._container(pod, container_id)
        try:
            await self._unless_ending(hooks.run(self._runtime, container, pod, spec, "postStart"))
        except hooks.HookFailed as failure:
            self._tell(WARNING, "FailedPostStartHook", "PostStartHook failed", spec["name"])
            stop = StopContainer(container_id, spec["name"], grace_seconds(pod), "FailedPostStartHook")
            await self._stopping.stop_all(pod, [stop])
            raise CannotStart("PostStartHookError", str(failure)) from failure

    async def _unless_ending(self, work: Coroutine[Any, Any, None]) -> None:
        """What may take long: a pod that shall end does not wait for it."""
        working = asyncio.ensure_future(work)
        ending: asyncio.Future[Any] = asyncio.ensure_future(self._ending.wait())
        try:
            await asyncio.wait([working, ending], return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                raise PodEnds
            working.result()
        finally:
            working.cancel()
            ending.cancel()

    def _container(self, pod: Object, container_id: str) -> Container:
        found = self._runtime.containers_of(pod["metadata"]["uid"])
        return next(each for each in found if each.id == container_id)
