"""Core: what this server says of itself: discovery and OpenAPI.

After: k8s staging/src/k8s.io/apiserver/pkg/endpoints/discovery; k8s.io/kube-openapi/pkg/handler3
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from kube.api import discovery, openapi
from kube.api.meta import Object
from kube.api.schema import Schemas
from metrics_server.definitions import DEFINITIONS
from metrics_server.kinds import GROUP, KINDS, VERSION


def group() -> Object:
    """The APIGroup."""
    return {"kind": "APIGroup", "apiVersion": "v1", **discovery.group(GROUP, [VERSION])}


def groups() -> Object:
    """The APIGroupList."""
    return discovery.group_list([discovery.group(GROUP, [VERSION])])


def resources() -> Object:
    """The APIResourceList."""
    found = discovery.resource_list(KINDS, GROUP, VERSION)
    assert found is not None, "both kinds are of this version"
    return found


@cache
def schema() -> Object:
    """The OpenAPI v3 document."""
    found = openapi.document(KINDS, GROUP, VERSION, Schemas(DEFINITIONS))
    assert found is not None, "both kinds are of this version"
    return found


DOCUMENTS: dict[str, Callable[[], Object]] = {
    "/": lambda: {"paths": sorted(DOCUMENTS)},
    "/apis": groups,
    f"/apis/{GROUP}": group,
    f"/apis/{GROUP}/{VERSION}": resources,
    "/openapi/v3": lambda: openapi.index(KINDS),
    f"/openapi/v3/apis/{GROUP}/{VERSION}": schema,
    "/openapi/v3/version": openapi.version_document,
}
