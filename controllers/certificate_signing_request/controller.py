"""Shell: shows the plan a request, and asks the API server what its maker may do."""

from __future__ import annotations

from datetime import datetime

from controllers.certificate_signing_request.authority import Authority
from controllers.certificate_signing_request.plan import Seen, plan, subresources
from controllers.wiring import Wiring
from kube.api.actions import Action
from kube.api.meta import Object
from kube.api.resources import CERTIFICATE_SIGNING_REQUESTS, SUBJECT_ACCESS_REVIEWS
from kube.client.informer import InformerFactory
from kube.client.rest import Client
from kube.controller.controller import Controller


class CertificateSigningRequestReconciler:
    """Observes and plans for one request; keys are names of requests."""

    def __init__(self, client: Client, informers: InformerFactory, authority: Authority | None) -> None:
        self._client, self._authority = client, authority
        self._requests = informers.informer(CERTIFICATE_SIGNING_REQUESTS)

    async def observe(self, key: str) -> Seen | None:
        request = self._requests.store.get(key)
        if request is None:
            return None
        allowed = ""
        for each in subresources(request):
            if await self._may_create(request, each):
                allowed = each
                break
        return Seen(request, allowed, self._authority.sign if self._authority is not None else None)

    def plan(self, seen: Seen, now: datetime) -> list[Action]:
        return plan(seen, now)

    async def _may_create(self, request: Object, subresource: str) -> bool:
        answer = await self._client.create(SUBJECT_ACCESS_REVIEWS, _review(request["spec"], subresource))
        return bool(answer["status"]["allowed"])


def _review(spec: Object, subresource: str) -> Object:
    """The question whether the maker of a request may create a subresource of requests."""
    asked = {
        "group": CERTIFICATE_SIGNING_REQUESTS.group,
        "resource": CERTIFICATE_SIGNING_REQUESTS.plural,
        "verb": "create",
        "subresource": subresource,
    }
    who = {"user": spec.get("username") or "", "groups": spec.get("groups") or []}
    return {
        "spec": {
            **who,
            "uid": spec.get("uid") or "",
            "extra": spec.get("extra") or {},
            "resourceAttributes": asked,
        }
    }


def build(wiring: Wiring, authority: Authority | None) -> Controller[Seen]:
    """The controller, woken by requests and by time."""
    reconciler = CertificateSigningRequestReconciler(wiring.client, wiring.informers, authority)
    controller = wiring.controller("certificate-controller", "certificate", reconciler)
    controller.watch(wiring.informers.informer(CERTIFICATE_SIGNING_REQUESTS))
    return controller
