"""Shell: POST of an Eviction: a deletion that asks the disruption budgets first.

After: k8s pkg/registry/core/pod/storage/eviction.go
"""

from __future__ import annotations

from dataclasses import replace

from starlette.responses import Response

from apiserver.admission.chain import CREATE, DELETE, UPDATE
from apiserver.handlers.bind import CREATED
from apiserver.handlers.body import attributes, place, read_object
from apiserver.handlers.options import WriteOptions
from apiserver.handlers.respond import respond
from apiserver.registry.deletion import DeleteOptions
from apiserver.request import ApiRequest
from apiserver.server import Server
from kube.api import conditions, errors, meta
from kube.api.labels import Selector
from kube.api.meta import Object
from kube.api.resources import POD_DISRUPTION_BUDGETS

UNPROTECTED_PHASES = ("Pending", "Succeeded", "Failed")


async def evict(server: Server, request: ApiRequest) -> Response:
    """Delete the pod if its budget allows it; StatusError 429 otherwise."""
    options = WriteOptions.read("CreateOptions", request.query_params)
    eviction, _ = await read_object(request, options)
    if meta.name(eviction) != request.info.name:
        raise errors.bad_request("name in URL does not match name in Eviction object")
    place(request, eviction)
    wanted = DeleteOptions.read(eviction.get("deleteOptions") or {})
    wanted = replace(wanted, dry_run=wanted.dry_run or options.dry_run)
    await server.cache.consistent()
    info = request.info
    entry = server.cache.get(request.kind, info.namespace, info.name)
    if entry is None:
        raise errors.not_found(request.kind, info.name)
    pod = entry.decode()
    created = attributes(request, CREATE, dry_run=wanted.dry_run)
    await server.registry.admission.ask(created, eviction)
    # A webhook may have changed them.
    wanted = replace(DeleteOptions.read(eviction.get("deleteOptions") or {}), dry_run=wanted.dry_run)
    asked = replace(created, operation=UPDATE, subresource="status", admitted=True)
    if meta.get(pod, "status", "phase") not in UNPROTECTED_PHASES and not meta.is_terminating(pod):
        await _take_from_budget(server, request, pod, dry_run=wanted.dry_run)
        await server.registry.update(asked, lambda old: _marked(old, server))
    await server.registry.delete(replace(asked, operation=DELETE, subresource=""), wanted)
    return respond(CREATED, 201)


async def _take_from_budget(server: Server, request: ApiRequest, pod: Object, *, dry_run: bool) -> None:
    namespace = meta.namespace(pod)
    entries = server.cache.log(POD_DISRUPTION_BUDGETS).in_namespace(namespace)
    budgets = [entry.decode() for entry in entries]
    covering = [
        each
        for each in budgets
        if Selector.from_label_selector(meta.get(each, "spec", "selector")).matches(meta.labels(pod))
    ]
    if len(covering) > 1:
        raise errors.unnamed(
            "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
        )
    if not covering or _is_free(covering[0], pod):
        return
    asked = replace(
        attributes(request, UPDATE, dry_run=dry_run),
        admitted=True,
        resource=POD_DISRUPTION_BUDGETS,
        name=meta.name(covering[0]),
        subresource="status",
    )
    await server.registry.update(asked, lambda budget: _taken(budget, pod, server))


def _is_free(budget: Object, pod: Object) -> bool:
    """An unready pod is nobody's loss: where the budget says so, or where it has all it needs."""
    if conditions.is_true(pod, "Ready"):
        return False
    if meta.get(budget, "spec", "unhealthyPodEvictionPolicy") == "AlwaysAllow":
        return True
    status = budget.get("status") or {}
    desired = status.get("desiredHealthy") or 0
    return 0 < desired <= (status.get("currentHealthy") or 0)


def _taken(budget: Object, pod: Object, server: Server) -> Object:
    """The budget with one disruption fewer."""
    status = budget.setdefault("status", {})
    name = meta.name(budget)
    if (status.get("observedGeneration") or 0) < meta.generation(budget):
        raise _refused(f"The disruption budget {name} is still being processed by the server.", 10)
    if (status.get("disruptionsAllowed") or 0) <= 0:
        text = f"The disruption budget {name} needs {status.get('desiredHealthy', 0)} healthy pods "
        raise _refused(f"{text}and has {status.get('currentHealthy', 0)} currently", 0)
    status["disruptionsAllowed"] -= 1
    if not status["disruptionsAllowed"]:
        used_up = {
            "type": "DisruptionAllowed",
            "status": "False",
            "reason": "InsufficientPods",
            "message": "",
            "observedGeneration": status["observedGeneration"],
        }
        told = status.get("conditions") or []
        status["conditions"] = conditions.set_condition(told, used_up, server.clock.now())
    status.setdefault("disruptedPods", {})[meta.name(pod)] = meta.format_time(server.clock.now())
    return budget


def _refused(cause: str, seconds: int) -> errors.StatusError:
    message = "Cannot evict pod as it would violate the pod's disruption budget."
    return errors.too_many_requests(message, seconds, [{"reason": "DisruptionBudget", "message": cause}])


def _marked(pod: Object, server: Server) -> Object:
    condition = {
        "type": "DisruptionTarget",
        "status": "True",
        "reason": "EvictionByEvictionAPI",
        "message": "Eviction API: evicting",
    }
    status = pod.setdefault("status", {})
    status["conditions"] = conditions.set_condition(
        status.get("conditions") or [], condition, server.clock.now()
    )
    return pod
