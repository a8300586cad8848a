"""Core: reads from method and URL what a request asks for; everyone after it asks this, not the URL.

    /api/v1/namespaces/{namespace}/{plural}/{name}/{subresource}
    /apis/{group}/{version}/...            the same
    /api/v1/watch/...                      an old way to say ?watch=true

After: k8s staging/src/k8s.io/apiserver/pkg/endpoints/request/requestinfo.go
"""

from __future__ import annotations

from collections.abc import Mapping

from apiserver.request import RequestInfo
from kube.api.errors import StatusError
from kube.api.fields import FieldSelector

VERBS = {"POST": "create", "GET": "get", "HEAD": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
NAMESPACE_SUBRESOURCES = ("status", "finalize")


def request_info(method: str, path: str, query: Mapping[str, str]) -> RequestInfo:
    """What is asked for."""
    other = RequestInfo(path, method.lower())
    parts = path.strip("/").split("/")
    if parts[0] == "api" and len(parts) >= 3:
        group, version, parts = "", parts[1], parts[2:]
    elif parts[0] == "apis" and len(parts) >= 4:
        group, version, parts = parts[1], parts[2], parts[3:]
    else:
        return other
    verb = VERBS.get(method, method.lower())
    watching = parts[0] == "watch" and len(parts) > 1
    if watching:
        parts = parts[1:]
    namespace, parts = _namespace(parts)
    plural, name, subresource = (*parts[:3], "", "", "")[:3]
    if not plural:
        return other
    if watching:
        verb = "watch"
    elif verb == "get" and not name:
        verb = "watch" if query.get("watch", "0").lower() not in ("0", "false") else "list"
    elif verb == "delete" and not name:
        verb = "deletecollection"
    selector = query.get("fieldSelector", "") if verb in ("list", "watch", "deletecollection") else ""
    if selector and not name:
        name = _selected_name(selector)
    return RequestInfo(path, verb, group, version, namespace, plural, name, subresource, selector)


def _namespace(parts: list[str]) -> tuple[str, list[str]]:
    """Split off `namespaces/N`, unless it is the namespace itself that is asked for."""
    if parts[0] != "namespaces" or len(parts) < 2:
        return "", parts
    if len(parts) == 2 or (len(parts) == 3 and parts[2] in NAMESPACE_SUBRESOURCES):
        return parts[1], parts
    return parts[1], parts[2:]


def _selected_name(selector: str) -> str:
    """The name a field selector asks for: rules with resourceNames then apply."""
    if "metadata.name" not in selector:
        return ""
    try:
        name = FieldSelector.parse(selector).required("metadata.name") or ""
    except StatusError:
        return ""
    return "" if name in (".", "..") or "/" in name or "%" in name else name
