"""Core: which right a request to the kubelet's port needs: a verb on a subresource of its own Node.

Some paths may be allowed by either of two: `nodes/pods`, say, which is for that alone, or the all-embracing
`nodes/proxy`.

After: k8s pkg/kubelet/server/auth.go, GetRequestAttributes; server.go, InstallAuthFilter
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kube.api.reviews import Caller

VERBS = {"POST": "create", "GET": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
# The right that is for these paths alone; `nodes/proxy` opens them as well. /livez and /readyz are ours.
FINE = {
    "/pods": "pods",
    "/runningpods": "pods",
    "/healthz": "healthz",
    "/livez": "healthz",
    "/readyz": "healthz",
    "/configz": "configz",
    "/statusz": "statusz",
}
# These have a right of their own, and `nodes/proxy` does not open them.
OWN = {"/stats": "stats", "/metrics": "metrics", "/logs": "log", "/checkpoint": "checkpoint"}


def verb_of(method: str) -> str:
    """The API's verb for a method."""
    return VERBS.get(method, "")


def subresources_of(path: str) -> list[str]:
    """Subresources of the Node of which the caller needs one."""
    fine = [word for parent, word in FINE.items() if _is_below(path, parent)]
    own = [word for parent, word in OWN.items() if _is_below(path, parent)]
    return [*fine, *(own or ["proxy"])]


def _is_below(path: str, parent: str) -> bool:
    return path == parent or path.startswith(f"{parent}/")


def attributes(node_name: str, verb: str, subresource: str) -> dict[str, Any]:
    """What the API server is asked about."""
    asked = {
        "verb": verb,
        "version": "v1",
        "resource": "nodes",
        "subresource": subresource,
        "name": node_name,
    }
    return {"resourceAttributes": asked}


def forbidden(caller: Caller, verb: str, subresources: Sequence[str]) -> str:
    """The refusal in the kubelet's words."""
    listed = " ".join(subresources)
    return f"Forbidden (user={caller.name}, verb={verb}, resource=nodes, subresource(s)=[{listed}])\n"


def cannot_tell(caller: Caller, verb: str, subresource: str) -> str:
    """What is said where the API server gives no answer."""
    who = f"user={caller.name}, verb={verb}, resource=nodes, subresource={subresource}"
    return f"Authorization error ({who})"
