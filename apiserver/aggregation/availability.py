"""Core: whether an APIService can be asked, as far as objects tell: its condition Available, and where its
Service's endpoints are.

What only a question over the wire can tell is added by follower.py.

After: k8s staging/src/k8s.io/kube-aggregator/pkg/controllers/status/remote/remote_available_controller.go
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from apiserver.aggregation.api_service import AVAILABLE, ApiService
from kube.api import conditions, endpoint_slices, meta
from kube.api.meta import Object

# Whose message may differ from server to server, though they mean the same.
FAILED = "FailedDiscoveryCheck"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the condition shall say."""

    is_available: bool
    reason: str
    message: str


LOCAL = Verdict(True, "Local", "Local APIServices are always available")
PASSED = Verdict(True, "Passed", "all checks passed")


def failed(why: str) -> Verdict:
    """Nobody answers as he should."""
    return Verdict(False, FAILED, why)


def problem(api_service: ApiService, service: Object | None, slices: Sequence[Object]) -> Verdict | None:
    """What is wrong before anybody is asked."""
    assert api_service.service is not None, "what is served here is always available"
    namespace, name = api_service.service
    what = f'service/{name} in "{namespace}"'
    if service is None:
        return Verdict(False, "ServiceNotFound", f"{what} is not present")
    if meta.get(service, "spec", "type", default="ClusterIP") != "ClusterIP":
        return None
    port = endpoint_slices.port_name(service, api_service.port)
    if port is None:
        return Verdict(False, "ServicePortError", f"{what} is not listening on port {api_service.port}")
    if not slices:
        return Verdict(False, "EndpointsNotFound", f"cannot find endpointslices for {what}")
    if not endpoint_slices.ready(slices, port):
        why = f'endpointslices for {what} have no addresses with port name "{port}"'
        return Verdict(False, "MissingEndpoints", why)
    return None


def addresses(
    api_service: ApiService, service: Object | None, slices: Iterable[Object]
) -> list[tuple[str, int]]:
    """The hosts and ports of everyone that may be asked; none where nobody can."""
    if service is None:
        return []
    if meta.get(service, "spec", "type", default="") == "ExternalName":
        return [(service["spec"].get("externalName", ""), api_service.port)]
    port = endpoint_slices.port_name(service, api_service.port)
    return [] if port is None else endpoint_slices.ready(slices, port)


def with_verdict(o: Object, verdict: Verdict, now: datetime) -> Object:
    """The APIService with that condition; the very object where it says so already.

    Several servers look, and not all may have the same trouble with one that does not answer: the first one's
    words stay.
    """
    before, status = conditions.find(o, AVAILABLE) or {}, "True" if verdict.is_available else "False"
    says_so = (before.get("status"), before.get("reason")) == (status, verdict.reason)
    if says_so and (verdict.reason == FAILED or before.get("message") == verdict.message):
        return o
    condition = {
        "type": AVAILABLE,
        "status": status,
        "reason": verdict.reason,
        "message": verdict.message,
    }
    told = meta.get(o, "status", "conditions", default=None) or []
    return {
        **o,
        "status": {**(o.get("status") or {}), "conditions": conditions.set_condition(told, condition, now)},
    }
