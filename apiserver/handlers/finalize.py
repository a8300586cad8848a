"""Shell: PUT /namespaces/N/finalize: the namespace controller says that nothing is left in it.

After: k8s pkg/registry/core/namespace/storage/storage.go, FinalizeREST
"""

from __future__ import annotations

from starlette.responses import Response

from apiserver.admission.chain import UPDATE
from apiserver.handlers.body import attributes, place, read_object
from apiserver.handlers.options import WriteOptions
from apiserver.handlers.respond import respond_object
from apiserver.request import ApiRequest
from apiserver.server import Server
from kube.api import meta
from kube.api.meta import Object


async def finalize(server: Server, request: ApiRequest) -> Response:
    """Replace spec.finalizers; the last one gone, the namespace goes."""
    options = WriteOptions.read("UpdateOptions", request.query_params)
    o, warnings = await read_object(request, options)
    place(request, o)

    def change(old: Object) -> Object:
        old["spec"] = (old.get("spec") or {}) | {"finalizers": meta.get(o, "spec", "finalizers", default=[])}
        old["metadata"]["resourceVersion"] = meta.resource_version(o)
        return old

    updated = await server.registry.update(attributes(request, UPDATE, dry_run=options.dry_run), change)
    return respond_object(request, updated, server.clock.now(), 200, warnings)
