"""Shell: POST of a Binding: the scheduler's decision, written into the pod it is about.

After: k8s pkg/registry/core/pod/storage/storage.go, assignPod
"""

from __future__ import annotations

from starlette.responses import Response

from apiserver.admission.chain import UPDATE
from apiserver.handlers.body import attributes, place, read_kind
from apiserver.handlers.options import WriteOptions
from apiserver.handlers.respond import respond
from apiserver.request import ApiRequest, RequestInfo
from apiserver.server import Server
from kube.api import conditions, errors, meta
from kube.api.errors import FieldError
from kube.api.meta import Object
from kube.api.resources import BINDINGS, PODS

CREATED = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}


async def bind(server: Server, request: ApiRequest) -> Response:
    """Assign a pod to a node, once."""
    options = WriteOptions.read("CreateOptions", request.query_params)
    binding, _ = await read_kind(request, options, BINDINGS.gvk)
    place(request, binding)
    name = request.info.name or meta.name(binding)
    node = meta.get(binding, "target", "name", default="")
    if not node:
        raise errors.invalid(BINDINGS.gvk, name, [FieldError.required("target.name")])
    info = RequestInfo(request.info.path, "update", "", "v1", request.info.namespace, "pods", name, "binding")
    request.info, request.resource = info, PODS
    asked = attributes(request, UPDATE, dry_run=options.dry_run)
    await server.registry.update(asked, lambda pod: assign(pod, binding, node, server))
    return respond(CREATED, 201)


def assign(pod: Object, binding: Object, node: str, server: Server) -> Object:
    """The pod on its node; StatusError 409 where it has one already, or is on its way out."""
    name = meta.name(pod)
    wanted = meta.uid(binding)
    if wanted and wanted != meta.uid(pod):
        why = f"Precondition failed: UID in precondition: {wanted}, UID in object meta: {meta.uid(pod)}"
        raise errors.conflict(PODS, name, why)
    if meta.is_terminating(pod):
        raise errors.conflict(PODS, name, f"pod {name} is being deleted, cannot be assigned to a host")
    if bound := meta.get(pod, "spec", "nodeName"):
        raise errors.conflict(PODS, name, f'pod {name} is already assigned to node "{bound}"')
    if meta.get(pod, "spec", "schedulingGates"):
        raise errors.conflict(PODS, name, f"pod {name} has non-empty .spec.schedulingGates")
    pod["spec"]["nodeName"] = node
    pod["metadata"].setdefault("annotations", {}).update(meta.annotations(binding))
    if not pod["metadata"]["annotations"]:
        del pod["metadata"]["annotations"]
    status = pod.setdefault("status", {})
    scheduled = {"type": "PodScheduled", "status": "True"}
    known = status.get("conditions") or []
    status["conditions"] = conditions.set_condition(known, scheduled, server.clock.now())
    return pod
