"""Shell: the pods of the node: /pods as the API server has them, /runningpods as the runtime has.

After: k8s pkg/kubelet/server/server.go, getPods and getRunningPods
"""

from __future__ import annotations

import orjson
from aiohttp import web

from kube.api.meta import Object
from kubelet.runtime.interface import Runtime, Sandbox
from kubelet.server.served import Served


async def list_pods(served: Served, _: web.Request) -> web.StreamResponse:
    """Answer with a PodList."""
    return _list(served.pods.list())


async def running_pods(served: Served, _: web.Request) -> web.StreamResponse:
    """The same of what runs: names and images, which is all that the runtime knows."""
    runtime = served.runtime
    pods = [_pod(runtime, each) for each in runtime.list_sandboxes()]
    return _list([pod for pod in pods if pod["spec"]["containers"]])


def _pod(runtime: Runtime, sandbox: Sandbox) -> Object:
    running = [each for each in runtime.containers_of(sandbox.pod_uid) if each.is_running]
    containers = [{"name": each.name, "image": each.image, "resources": {}} for each in running]
    metadata = {"name": sandbox.name, "namespace": sandbox.namespace, "uid": sandbox.pod_uid}
    return {"metadata": metadata, "spec": {"containers": containers}, "status": {}}


def _list(pods: list[Object]) -> web.Response:
    body = {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": pods}
    return web.Response(body=orjson.dumps(body), content_type="application/json")
