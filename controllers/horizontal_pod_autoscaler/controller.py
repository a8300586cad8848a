"""Shell: shows the plan an autoscaler, its target's scale and pods and what they use, every now and then.

The target may be of any kind that the API serves with a scale: discovery says under which name.

After: k8s pkg/controller/podautoscaler/horizontal.go, NewHorizontalController.
"""

from __future__ import annotations

from datetime import datetime

from controllers.horizontal_pod_autoscaler.limits import Memory
from controllers.horizontal_pod_autoscaler.plan import Metrics, Options, Seen, Target, decide
from controllers.wiring import Wiring
from kube.api import errors, meta
from kube.api.actions import Action
from kube.api.errors import StatusError
from kube.api.gvk import parse_api_version
from kube.api.labels import Selector
from kube.api.meta import Object
from kube.api.resources import HORIZONTAL_POD_AUTOSCALERS, PODS, Resource
from kube.client.informer import InformerFactory
from kube.client.rest import Client, ConnectionFailed
from kube.controller.controller import Controller
from kube.controller.owners import NAMESPACE_INDEX, namespace_index

POD_METRICS = Resource("metrics.k8s.io", "v1beta1", "pods", "PodMetrics", True)


class NoTarget(Exception):
    """The scale is not to be had; the message is Kubernetes'."""


class HorizontalPodAutoscalerReconciler:
    """Observes and plans for one autoscaler, and remembers what it did."""

    def __init__(self, client: Client, informers: InformerFactory, options: Options) -> None:
        self._client, self._options = client, options
        self._autoscalers = informers.informer(HORIZONTAL_POD_AUTOSCALERS)
        self._pods = informers.informer(PODS)
        self._pods.add_index(NAMESPACE_INDEX, namespace_index)
        self._memory: dict[str, Memory] = {}

    async def observe(self, key: str) -> Seen | None:
        autoscaler = self._autoscalers.store.get(key)
        if autoscaler is None:
            self._memory.pop(key, None)
            return None
        try:
            target: Target | str = await self._target(autoscaler)
        except NoTarget as why:
            target = str(why)
        return Seen(autoscaler, target, self._memory.get(key), self._options)

    def plan(self, seen: Seen, now: datetime) -> list[Action]:
        decision = decide(seen, now)
        self._memory[meta.key(seen.autoscaler)] = decision.memory
        return decision.actions

    async def _target(self, autoscaler: Object) -> Target:
        reference, namespace = autoscaler["spec"]["scaleTargetRef"], meta.namespace(autoscaler)
        resource = await self._resource(reference)
        try:
            scale = await self._client.get(resource, namespace, reference["name"], "scale")
        except StatusError as error:
            raise NoTarget(str(error)) from error
        text = meta.get(scale, "status", "selector", default="")
        selector = Selector.parse(text)
        pods = [
            each
            for each in self._pods.store.by_index(NAMESPACE_INDEX, namespace)
            if text and selector.matches(meta.labels(each))
        ]
        return Target(resource, scale, pods, await self._metrics(namespace, text))

    async def _resource(self, reference: Object) -> Resource:
        """Of the target's kind, as discovery knows it."""
        group, version = parse_api_version(reference.get("apiVersion") or "v1")
        kind = reference["kind"]
        path = f"/apis/{group}/{version}" if group else f"/api/{version}"
        try:
            served = (await self._client.document(path))["resources"]
        except StatusError as error:
            if not errors.is_not_found(error):
                raise
            served = []
        for each in served:
            if each["kind"] == kind and "/" not in each["name"]:
                return Resource(group, version, each["name"], kind, each["namespaced"])
        raise NoTarget(f'no matches for kind "{kind}" in group "{group}"')

    async def _metrics(self, namespace: str, selector: str) -> Metrics:
        try:
            answer = await self._client.list(POD_METRICS, namespace, selector)
        except (StatusError, ConnectionFailed) as error:
            return f"unable to fetch metrics from resource metrics API: {error}"
        items: list[Object] = answer["items"]
        return items


def build(wiring: Wiring, options: Options) -> Controller[Seen]:
    """The controller, woken by time, and by autoscalers whose spec is new."""
    reconciler = HorizontalPodAutoscalerReconciler(wiring.client, wiring.informers, options)
    controller = wiring.controller("horizontal-pod-autoscaler", "horizontalpodautoscaler", reconciler)

    def on_change(autoscaler: Object) -> None:
        controller.queue.add(meta.key(autoscaler))

    def on_update(old: Object, new: Object) -> None:
        # Its status is our own word.
        if old["spec"] != new["spec"]:
            on_change(new)

    wiring.informers.informer(HORIZONTAL_POD_AUTOSCALERS).add_handler(on_change, on_update, on_change)
    return controller
