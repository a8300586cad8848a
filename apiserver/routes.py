"""Shell: which handler answers which request: one table for resources, one for all other paths.

A verb that a resource does not have (in the table of kinds) is refused before its handler is looked for.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.responses import Response

from apiserver.aggregation.proxy import proxy as proxy_to_extension
from apiserver.handlers import (
    bind,
    connect,
    create,
    delete,
    documents,
    evict,
    finalize,
    flow_dumps,
    get,
    health,
    list,
    patch,
    pod_log,
    proxy,
    review,
    scale,
    token,
    update,
    watch,
)
from apiserver.handlers.warnings import warn
from apiserver.request import ApiRequest
from apiserver.server import Server
from kube.api import errors
from kube.api.resources import Resource

Handle = Callable[[Server, ApiRequest], Awaitable[Response]]

VERBS: dict[str, Handle] = {
    "create": create.create,
    "get": get.get,
    "list": list.list_objects,
    "watch": watch.watch,
    "update": update.update,
    "patch": patch.patch,
    "delete": delete.delete,
    "deletecollection": delete.delete_collection,
}
PROXIED = ("create", "delete", "get", "patch", "update")
# Subresources that are more than a door of their own to the object; ("*", name) holds for every kind.
SUBRESOURCES: dict[tuple[str, str], dict[str, Handle]] = {
    ("*", "scale"): {"get": scale.get_scale, "update": scale.update_scale, "patch": scale.patch_scale},
    ("pods", "binding"): {"create": bind.bind},
    ("pods", "eviction"): {"create": evict.evict},
    ("pods", "log"): {"get": pod_log.log},
    ("pods", "exec"): {"get": connect.execute, "create": connect.execute},
    ("pods", "attach"): {"get": connect.attach, "create": connect.attach},
    ("pods", "portforward"): {"get": connect.port_forward, "create": connect.port_forward},
    ("nodes", "proxy"): dict.fromkeys(PROXIED, proxy.proxy_node),
    ("pods", "proxy"): dict.fromkeys(PROXIED, proxy.proxy_pod),
    ("services", "proxy"): dict.fromkeys(PROXIED, proxy.proxy_service),
    ("serviceaccounts", "token"): {"create": token.create_token},
    ("namespaces", "finalize"): {"update": finalize.finalize},
}
# Subresources that are the object itself, written through another door.
SAME_OBJECT = ("status", "approval", "ephemeralcontainers", "resize")
NEEDS_NAME = ("update", "patch")
# Kinds still served that should be used no more, and what to say with every answer.
DEPRECATED = {
    "endpoints": "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice",
    "componentstatuses": "v1 ComponentStatus is deprecated in v1.19+",
}
REVIEW_GROUPS = ("authentication.k8s.io", "authorization.k8s.io")


async def dispatch(server: Server, request: ApiRequest) -> Response:
    """Answer a request that has passed all filters."""
    info = request.info
    if (api_service := server.aggregation.serving(info.path)) is not None:
        return await proxy_to_extension(server, request, api_service)
    if not info.is_resource:
        return await _document(server, request)
    resource = request.resource
    if resource is None:
        raise errors.no_such_resource()
    if request.method == "HEAD" and info.subresource != "proxy":
        raise errors.method_not_allowed()
    handle = (
        _subresource(resource, info.subresource, info.verb)
        if info.subresource
        else _verb(resource, info.verb, named=bool(info.name))
    )
    if handle is None:
        raise errors.method_not_allowed()
    response = await handle(server, request)
    deprecated = DEPRECATED.get(resource.plural)
    return warn(response, [deprecated]) if deprecated else response


def _verb(resource: Resource, verb: str, *, named: bool) -> Handle | None:
    if verb not in resource.verbs or (verb in NEEDS_NAME and not named) or (verb == "create" and named):
        return None
    if resource.group in REVIEW_GROUPS:
        return review.review
    return bind.bind if resource.plural == "bindings" else VERBS[verb]


def _subresource(resource: Resource, name: str, verb: str) -> Handle | None:
    below = resource.subresource(name)
    if below is None:
        raise errors.no_such_resource()
    if verb not in below.verbs:
        return None
    if name in SAME_OBJECT:
        return VERBS[verb]
    special = SUBRESOURCES.get((resource.plural, name)) or SUBRESOURCES.get(("*", name)) or {}
    return special.get(verb)


PATHS: dict[str, Handle] = {
    "/": documents.root,
    "/version": documents.version,
    "/api": documents.api,
    "/apis": documents.apis,
    "/openapi/v2": documents.openapi_v2_document,
    "/openapi/v3": documents.openapi_index,
    "/healthz": health.healthz,
    "/livez": health.livez,
    "/readyz": health.readyz,
    "/metrics": health.metrics,
    "/.well-known/openid-configuration": documents.openid_configuration,
    "/openid/v1/jwks": documents.key_set,
}
PREFIXES: tuple[tuple[str, Handle], ...] = (
    ("/openapi/v3/", documents.openapi_document),
    ("/healthz/", health.one),
    ("/livez/", health.one),
    ("/readyz/", health.one),
    ("/api/", documents.group),
    ("/apis/", documents.group),
    (f"{flow_dumps.ROOT}/", flow_dumps.dump),
)


async def _document(server: Server, request: ApiRequest) -> Response:
    """Discovery, OpenAPI, health; a trailing slash makes no difference."""
    if request.method not in ("GET", "HEAD"):
        raise errors.method_not_allowed()
    path = request.info.path.rstrip("/") or "/"
    handle = PATHS.get(path)
    if handle is None:
        handle = next((each for prefix, each in PREFIXES if path.startswith(prefix)), None)
    if handle is None:
        return Response("404 page not found\n", 404, media_type="text/plain")
    return await handle(server, request)
