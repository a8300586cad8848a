"""Shell: GET of NodeMetrics and PodMetrics: one, or those whose nodes or pods are selected.

Which there are, and their labels, is asked of the API server for each answer: nothing of the cluster is kept.

After: metrics-server pkg/api/{node,pod}.go
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from kube.api import errors, meta
from kube.api.errors import FieldError
from kube.api.meta import Object
from kube.api.negotiation import PARTIAL, PARTIAL_LIST, TABLE, Format
from kube.api.resources import NODES, PODS, Resource
from kube.api.table import INCLUDE_OBJECT, Printer, Table
from kube.base.clock import Clock
from kube.client.rest import Client
from metrics_server import rows
from metrics_server.asked import Asked
from metrics_server.kinds import NODE_METRICS
from metrics_server.meter import Meter
from metrics_server.objects import node_metrics, pod_metrics
from metrics_server.usage import Measured

PRINTER = Printer(rows.COLUMNS, rows.row)
LIST_TARGETS, OBJECT_TARGETS = (TABLE, PARTIAL_LIST), (TABLE, PARTIAL)


class Answers:
    """Answers from what the meter says."""

    def __init__(self, client: Client, meter: Meter, clock: Clock) -> None:
        self._client, self._meter, self._clock = client, meter, clock

    async def list(self, asked: Asked, query: Mapping[str, str], wanted: Format) -> Object:
        """The metrics of all nodes or pods that are selected and known; never in pages."""
        kind, include_object = asked.kind, _include_object(query, wanted)
        listed = await self._client.list(
            _measured_kind(kind),
            asked.namespace or None,
            query.get("labelSelector", ""),
            query.get("fieldSelector", ""),
            metadata_only=True,
        )
        measured, now = await self._meter.measured(), self._clock.now()
        found = list(_all(kind, listed["items"], measured, now))
        if wanted.target == TABLE:
            return Table(PRINTER, now, include_object, wanted.api_version).of(found, {})
        if wanted.target == PARTIAL_LIST:
            items = [_metadata_only(each, wanted) for each in found]
            return {"kind": PARTIAL_LIST, "apiVersion": wanted.api_version, "metadata": {}, "items": items}
        return {"kind": kind.list_kind, "apiVersion": kind.api_version, "metadata": {}, "items": found}

    async def get(self, asked: Asked, query: Mapping[str, str], wanted: Format) -> Object:
        """One node's or pod's; StatusError 404 while nothing is known of it."""
        kind, include_object = asked.kind, _include_object(query, wanted)
        of = await self._find(asked)
        measured, now = await self._meter.measured(), self._clock.now()
        found = list(_all(kind, of, measured, now))
        if not found:
            key = f"{asked.namespace}/{asked.name}" if kind.namespaced else asked.name
            what = f'{kind.singular}.{kind.group} "{key}" not found'
            raise errors.StatusError(404, "NotFound", what)
        if wanted.target == TABLE:
            return Table(PRINTER, now, include_object, wanted.api_version).of(found)
        return _metadata_only(found[0], wanted) if wanted.target == PARTIAL else found[0]

    async def _find(self, asked: Asked) -> Sequence[Object]:
        """The node or pod, if it is there."""
        try:
            return [await self._client.get(_measured_kind(asked.kind), asked.namespace or None, asked.name)]
        except errors.StatusError as error:
            if not errors.is_not_found(error):
                raise
            return []


def _measured_kind(kind: Resource) -> Resource:
    return NODES if kind is NODE_METRICS else PODS


def _include_object(query: Mapping[str, str], wanted: Format) -> str:
    """How much of each object a Table has; StatusError 400 for what it cannot have."""
    include_object = query.get("includeObject", "")
    if wanted.target == TABLE and include_object not in ("", *INCLUDE_OBJECT):
        text = "must be 'Metadata', 'Object', 'None', or empty"
        problem = FieldError.invalid("includeObject", include_object, text)
        raise errors.bad_request(f"Unable to convert to Table as requested: {problem}")
    return include_object


def _metadata_only(o: Object, wanted: Format) -> Object:
    return {"kind": PARTIAL, "apiVersion": wanted.api_version, "metadata": o["metadata"]}


def _all(kind: Resource, of: Iterable[Object], measured: Measured, now: datetime) -> Iterable[Object]:
    """The objects of those nodes or pods of which something is known."""
    for each in of:
        name, labels = meta.name(each), meta.labels(each)
        if kind is NODE_METRICS and name in measured.nodes:
            yield node_metrics(name, labels, measured.nodes[name], now)
        elif kind is not NODE_METRICS and (key := meta.key(each)) in measured.pods:
            yield pod_metrics(meta.namespace(each), name, labels, measured.pods[key], now)
