"""Shell: POST of a Binding: the scheduler's decision, written into the pod it is about.

After: k8s pkg/registry/core/pod/storage/storage.go, assignPod
"""

from __future__ import annotations

from dataclasses import replace

from starlette.responses import Response

from apiserver.admission.chain import CREATE, UPDATE
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


# Conflicts name the subresource.
POD_BINDINGS = replace(PODS, plural="pods/binding")


async def bind(server: Server, request: ApiRequest) -> Response:
    """Assign a pod to a node, once."""
    options = WriteOptions.read("CreateOptions", request.query_params)
    binding, _ = await read_kind(request, options, BINDINGS.gvk)
    name = request.info.name or meta.name(binding)
    if meta.name(binding) != name:
        raise errors.bad_request("name in URL does not match name in Binding object")
    place(request, binding)
    created = attributes(request, CREATE, dry_run=options.dry_run)
    await server.registry.admission.ask(replace(created, name=name), binding)
    node = _target(binding)
    info = RequestInfo(request.info.path, "update", "", "v1", request.info.namespace, "pods", name, "binding")
    request.info, request.resource = info, PODS
    # Nobody owns where a pod runs: Kubernetes keeps no account of this write.
    asked = attributes(request, UPDATE, dry_run=options.dry_run)
    asked = replace(asked, server_side_apply=True, admitted=True)
    await server.registry.update(asked, lambda pod: assign(pod, binding, node, server), meta.uid(binding))
    return respond(CREATED, 201)


def _target(binding: Object) -> str:
    """The node's name; StatusError 500 (as Kubernetes has it) where there is none."""
    target = binding.get("target") or {}
    found = []
    if target.get("kind") not in (None, "", "Node"):
        found.append(FieldError.not_supported("target.kind", target["kind"], ("Node", "<empty>")))
    if not target.get("name"):
        found.append(FieldError.required("target.name"))
    if found:
        texts = [str(each) for each in found]
        raise errors.unnamed(texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]")
    return str(target["name"])


def assign(pod: Object, binding: Object, node: str, server: Server) -> Object:
    """The pod on its node; StatusError 409 where it has one already, or is on its way out."""
    name = meta.name(pod)
    if meta.is_terminating(pod):
        raise errors.conflict(
            POD_BINDINGS, name, f"pod {name} is being deleted, cannot be assigned to a host"
        )
    if bound := meta.get(pod, "spec", "nodeName"):
        raise errors.conflict(POD_BINDINGS, name, f'pod {name} is already assigned to node "{bound}"')
    if meta.get(pod, "spec", "schedulingGates"):
        raise errors.conflict(POD_BINDINGS, name, f"pod {name} has non-empty .spec.schedulingGates")
    pod["spec"]["nodeName"] = node
    for part in ("annotations", "labels"):
        if handed := meta.metadata(binding).get(part):
            pod["metadata"][part] = {**(pod["metadata"].get(part) or {}), **handed}
    status = pod.setdefault("status", {})
    scheduled = {"type": "PodScheduled", "status": "True"}
    known = status.get("conditions") or []
    status["conditions"] = conditions.set_condition(known, scheduled, server.clock.now())
    return pod
