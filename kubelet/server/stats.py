"""Shell: GET /metrics/resource and /stats/summary: what the node and its pods use.

After: k8s pkg/kubelet/server/server.go, InstallDefaultHandlers; pkg/kubelet/server/stats/handler.go
"""

from __future__ import annotations

import orjson
from aiohttp import web

from kubelet.server.served import Served
from kubelet.stats import resource_metrics, summary

PROMETHEUS_TEXT = "text/plain; version=0.0.4; charset=utf-8"


async def metrics_resource(served: Served, _: web.Request) -> web.StreamResponse:
    """Answer with Prometheus' text."""
    snapshot = await served.collector.snapshot(served.runtime, served.clock)
    body = resource_metrics.text(snapshot).encode()
    return web.Response(body=body, headers={"Content-Type": PROMETHEUS_TEXT})


async def stats_summary(served: Served, request: web.Request) -> web.StreamResponse:
    """Answer with a Summary, or with the part of it that metrics need."""
    found = summary.document(served.node_name, await served.collector.snapshot(served.runtime, served.clock))
    if request.query.get("only_cpu_and_memory", "false") == "true":
        found = summary.only_cpu_and_memory(found)
    return web.Response(body=orjson.dumps(found), content_type="application/json")
