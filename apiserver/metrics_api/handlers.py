"""Shell: GET of NodeMetrics and PodMetrics: one, or those whose nodes or pods are selected.

After: metrics-server pkg/api/{node,pod}.go
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from starlette.responses import Response

from apiserver.handlers.list import select
from apiserver.handlers.list_options import ListOptions
from apiserver.handlers.respond import list_format, object_format, respond, transform
from apiserver.metrics_api.kinds import NODE_METRICS
from apiserver.metrics_api.objects import node_metrics, pod_metrics
from apiserver.metrics_api.usage import Measured
from apiserver.request import ApiRequest
from apiserver.server import Server
from apiserver.storage.entry import Entry
from kube.api import errors, meta
from kube.api.meta import Object
from kube.api.resources import NODES, PODS

# Metrics are of now, and never in pages.
SELECTORS = ("labelSelector", "fieldSelector")


async def list_metrics(server: Server, request: ApiRequest) -> Response:
    """Answer with the metrics of all nodes or pods that are selected and known."""
    wanted, kind = list_format(request), request.kind
    query = {key: value for key, value in request.query_params.items() if key in SELECTORS}
    options = ListOptions.for_list(NODES if kind is NODE_METRICS else PODS, query, request.info.name)
    listed = await select(server, request.info.namespace, options)
    measured, now = await server.meter.measured(server.kubelets), server.clock.now()
    found = list(_all(kind is NODE_METRICS, listed.entries, measured, now))
    if wanted.target:
        shown = transform(wanted, kind, found, {}, now, request.parameter("includeObject"))
        return respond(shown, wanted=wanted)
    whole = {"kind": kind.list_kind, "apiVersion": kind.api_version, "metadata": {}, "items": found}
    return respond(whole, wanted=wanted)


async def get_metrics(server: Server, request: ApiRequest) -> Response:
    """Answer with one node's or pod's; 404 while nothing is known of it."""
    wanted, kind, info = object_format(request), request.kind, request.info
    await server.cache.consistent()
    namespace = info.namespace if kind.namespaced else ""
    entry = server.cache.get(NODES if kind is NODE_METRICS else PODS, namespace, info.name)
    measured, now = await server.meter.measured(server.kubelets), server.clock.now()
    found = list(_all(kind is NODE_METRICS, [entry] if entry else [], measured, now))
    if not found:
        key = f"{namespace}/{info.name}" if namespace else info.name
        what = f'{kind.singular}.{kind.group} "{key}" not found'
        raise errors.StatusError(404, "NotFound", what)
    if wanted.target:
        shown = transform(wanted, kind, found, None, now, request.parameter("includeObject"))
        return respond(shown, wanted=wanted)
    return respond(found[0], wanted=wanted)


def _all(is_nodes: bool, entries: Iterable[Entry], measured: Measured, now: datetime) -> Iterable[Object]:
    """The objects of those entries of which something is known."""
    for entry in entries:
        if is_nodes and entry.key in measured.nodes:
            yield node_metrics(entry.key, entry.labels, measured.nodes[entry.key], now)
        elif not is_nodes and entry.key in measured.pods:
            yield pod_metrics(*meta.split_key(entry.key), entry.labels, measured.pods[entry.key], now)
