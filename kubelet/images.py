"""Shell: sees that the node has a container's image, as its pull policy says.

    there, and need not be fetched -> done;  else pull -> failed -> back off -> pull ...

Each image of a pod backs off by itself. The pod's pull secrets say as whom to ask its registry.
After: k8s pkg/kubelet/images/image_manager.go.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from kube.api import errors, meta
from kube.api.errors import StatusError
from kube.api.meta import Object
from kube.api.resources import SECRETS
from kube.base.clock import Clock
from kube.client.events import NORMAL, WARNING
from kube.client.rest import Client
from kubelet.pod import images
from kubelet.pod.backoff import Backoff
from kubelet.pod.failures import CannotStart
from kubelet.runtime.interface import Credentials, Image, PullFailure, Runtime

Tell = Callable[[str, str, str, str], None]


@dataclass(slots=True)
class _Failed:
    """Pulls of one image that failed, one after the other."""

    count: int
    message: str
    until: datetime


class Images:
    """The images of one pod; tell: records an event (type, reason, message, container)."""

    def __init__(self, runtime: Runtime, client: Client, clock: Clock, backoff: Backoff, tell: Tell) -> None:
        self._runtime, self._client, self._clock = runtime, client, clock
        self._backoff, self._tell = backoff, tell
        self._failed: dict[str, _Failed] = {}

    async def ensure(self, pod: Object, spec: Object) -> None:
        """Have the container's image here; CannotStart says why that is not so."""
        image, name = spec["image"], spec["name"]
        if error := images.name_error(image):
            message = (
                f'Failed to apply default image tag "{image}": couldn\'t parse image name "{image}": {error}'
            )
            self._tell(WARNING, "InspectFailed", message, name)
            raise CannotStart("InvalidImageName", message)
        policy = spec.get("imagePullPolicy") or "IfNotPresent"
        if policy != "Always" and self._runtime.image_of(image) is not None:
            present = f'Container image "{image}" already present on machine and can be accessed by the pod'
            self._tell(NORMAL, "Pulled", present, name)
        elif policy == "Never":
            message = f'Container image "{image}" is not present with pull policy of Never'
            self._tell(WARNING, "ErrImageNeverPull", message, name)
            raise CannotStart("ErrImageNeverPull", message)
        else:
            await self._pull(pod, image, name)

    async def _pull(self, pod: Object, image: str, name: str) -> None:
        failed, began = self._failed.get(image), self._clock.now()
        if failed is not None and failed.until > began:
            message = f'Back-off pulling image "{image}"'
            self._tell(NORMAL, "BackOff", message, name)
            raise CannotStart("ImagePullBackOff", f"{message}: {failed.message}", failed.until)
        self._tell(NORMAL, "Pulling", f'Pulling image "{image}"', name)
        try:
            pulled = await self._try_all(pod, image, name)
        except PullFailure as failure:
            self._tell(WARNING, "Failed", f'Failed to pull image "{image}": {failure}', name)
            count = failed.count + 1 if failed else 1
            until = self._clock.now() + self._backoff.delay(count)
            self._failed[image] = _Failed(count, f"{failure.reason}: {failure}", until)
            # The next look, soon, finds it backing off.
            soon = self._clock.now() + self._backoff.delay(count) / 10
            raise CannotStart(failure.reason, str(failure), soon) from failure
        self._failed.pop(image, None)
        took = _took(self._clock.now() - began)
        done = (
            f'Successfully pulled image "{image}" in {took} ({took} including waiting). '
            f"Image size: {pulled.size_bytes} bytes."
        )
        self._tell(NORMAL, "Pulled", done, name)

    async def _try_all(self, pod: Object, image: str, name: str) -> Image:
        """As each of those the pod's secrets name; the last failure is the one told."""
        accounts: list[Credentials | None] = [*images.credentials(image, await self._secrets(pod, name))]
        for account in accounts[:-1]:
            try:
                return await self._runtime.pull_image(image, account)
            except PullFailure:
                continue
        return await self._runtime.pull_image(image, accounts[-1] if accounts else None)

    async def _secrets(self, pod: Object, name: str) -> list[Object]:
        found, missing = [], []
        for reference in pod["spec"].get("imagePullSecrets") or ():
            try:
                found.append(await self._client.get(SECRETS, meta.namespace(pod), reference["name"]))
            except StatusError as error:
                if not errors.is_not_found(error):
                    raise
                missing.append(reference["name"])
        if missing:
            message = (
                f"Unable to retrieve some image pull secrets ({', '.join(missing)}); "
                "attempting to pull the image may not succeed."
            )
            self._tell(WARNING, "FailedToRetrieveImagePullSecret", message, "")
        return found


def _took(time: timedelta) -> str:
    """`312ms`, `2.345s`."""
    seconds = time.total_seconds()
    return f"{seconds * 1000:.0f}ms" if seconds < 1 else f"{seconds:.3f}s"
