"""A Deployment that is rolled out again and again, and the bounds it may never leave.

The bounds hold at every moment that a watcher sees, whoever of the controllers is killed: never a pod more
than replicas and surge, never fewer available than may be missing; nor may ReplicaSets want more.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence

from kube.api import conditions, meta
from kube.api.meta import Object
from kube.api.resources import DEPLOYMENTS
from kube.client.rest import Client
from tests.support.faults.asking import answered
from tests.support.wait import until_async

REPLICAS = 4
SURGE = 1
UNAVAILABLE = 1
NAME = "web"
LABELS = {"app": NAME}
DEPLOYMENT: Object = {
    "metadata": {"name": NAME},
    "spec": {
        "replicas": REPLICAS,
        "strategy": {"rollingUpdate": {"maxSurge": SURGE, "maxUnavailable": UNAVAILABLE}},
        "selector": {"matchLabels": LABELS},
        "template": {
            "metadata": {"labels": LABELS},
            "spec": {"containers": [{"name": NAME, "image": "nginx:1"}]},
        },
    },
}
PAUSE_SECONDS = 1.0


class Rollouts:
    """Rolls the Deployment until told to `finish`; `completed_at` are the loop times of whole rollouts."""

    def __init__(self, client: Client, namespace: str) -> None:
        self._client, self._namespace = client, namespace
        self.completed_at: list[float] = []
        self._finish = False

    def finish(self) -> None:
        """Begin no other rollout; `run` returns when the last one is complete."""
        self._finish = True

    async def run(self) -> None:
        for number in itertools.count(1):
            await self._change(number)
            await until_async("a rollout is complete", self._is_complete)
            self.completed_at.append(asyncio.get_running_loop().time())
            if self._finish:
                return
            await asyncio.sleep(PAUSE_SECONDS)

    async def _change(self, number: int) -> None:
        """Another template, as `kubectl rollout restart` makes it; the same change twice is one."""
        template = {"metadata": {"annotations": {"rollout": str(number)}}}
        patch = {"spec": {"template": template}}
        await answered(lambda: self._client.patch(DEPLOYMENTS, self._namespace, NAME, patch))

    async def _is_complete(self) -> bool:
        """As `kubectl rollout status` judges."""
        found = await answered(lambda: self._client.get(DEPLOYMENTS, self._namespace, NAME))
        status = found["status"]
        counts = [status.get(key, 0) for key in ("replicas", "updatedReplicas", "availableReplicas")]
        return status.get("observedGeneration") == meta.generation(found) and counts == [REPLICAS] * 3


class Bounds:
    """Judges moments; `armed` once all replicas have been available together."""

    def __init__(self) -> None:
        self.armed = False

    def pods(self, living: Sequence[Object]) -> None:
        wanted = [each for each in living if not meta.is_terminating(each)]
        available = sum(conditions.is_true(each, "Ready") for each in wanted)
        self.armed = self.armed or available == REPLICAS
        assert len(wanted) <= REPLICAS + SURGE, f"too many pods: {_told(living)}"
        assert not self.armed or available >= REPLICAS - UNAVAILABLE, f"too few available: {_told(living)}"

    def sets(self, living: Sequence[Object]) -> None:
        total = sum(each["spec"]["replicas"] for each in living)
        assert total <= REPLICAS + SURGE, f"ReplicaSets want too many: {total}"


def _told(pods: Sequence[Object]) -> str:
    rows = (
        (
            meta.name(each),
            each["spec"].get("nodeName"),
            each["status"].get("phase"),
            "ready" if conditions.is_true(each, "Ready") else "not ready",
            "ending" if meta.is_terminating(each) else "",
        )
        for each in pods
    )
    return "; ".join(" ".join(str(word) for word in row) for row in rows)
