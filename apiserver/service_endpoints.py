"""Shell: a Service and its EndpointSlices as the cache has them, for whoever calls the pods behind it
(webhooks, aggregation). An API server may run where no proxy does, so it goes to the pods themselves.
"""

from __future__ import annotations

from apiserver.storage.watch_cache import WatchCache
from kube.api.endpoint_slices import SERVICE_NAME
from kube.api.meta import Object
from kube.api.resources import ENDPOINT_SLICES, SERVICES


def service_of(cache: WatchCache, namespace: str, name: str) -> Object | None:
    """The Service; None where there is none."""
    entry = cache.get(SERVICES, namespace, name)
    return entry.decode() if entry else None


def slices_of(cache: WatchCache, namespace: str, name: str) -> list[Object]:
    """The EndpointSlices that name it."""
    within = cache.log(ENDPOINT_SLICES).in_namespace(namespace)
    return [each.decode() for each in within if each.labels.get(SERVICE_NAME) == name]
