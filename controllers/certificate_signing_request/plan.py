"""Core: decides what becomes of a certificate signing request.

    no verdict, a kubelet's client certificate, and its maker may have one -> Approved
    Approved, for a signer of kubernetes.io                                -> certificate, or Failed
    done with, or nobody's concern for a day                               -> deleted

A node's client certificate is approved without people when its maker may create the subresource
selfnodeclient (for its own name) or nodeclient (for any node) of requests; everything else waits for
`kubectl certificate`.

Sees: the request, what the API server said its maker may do, the authority. Says: Delete, Update of
`approval`, UpdateStatus, RequeueAfter.
Invariants: nothing without an Approved condition is signed; what is Denied or Failed is never signed.
Absent: signing by an authority of its own for each signer.
After: k8s pkg/controller/certificates/{approver/sarapprove,signer/signer,cleaner/cleaner}.go.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from cryptography import x509

from controllers.certificate_signing_request import rules
from kube.api import conditions, meta
from kube.api.actions import Action, Delete, RequeueAfter, Update, UpdateStatus
from kube.api.meta import Object
from kube.api.resources import CERTIFICATE_SIGNING_REQUESTS

SELF, ANY = "selfnodeclient", "nodeclient"
APPROVALS = {
    SELF: "Auto approving self kubelet client certificate after SubjectAccessReview.",
    ANY: "Auto approving kubelet client certificate after SubjectAccessReview.",
}
DONE_AFTER = timedelta(hours=1)
PENDING_AFTER = timedelta(hours=24)
# A maker who may not have it today may tomorrow.
ASK_AGAIN_SECONDS = 60.0

# request, usages, seconds asked for, now -> certificate (PEM)
Sign = Callable[[x509.CertificateSigningRequest, Sequence[str], int | None, datetime], str]


@dataclass(frozen=True, slots=True)
class Seen:
    """The request; `allowed` is the subresource its maker may create; `sign` is None without an authority."""

    request: Object
    allowed: str = ""
    sign: Sign | None = None


def plan(seen: Seen, now: datetime) -> list[Action]:
    """The next step of a request."""
    request = seen.request
    if meta.is_terminating(request):
        return []
    due = _due(request)
    if due is not None and due <= now:
        return [
            Delete(CERTIFICATE_SIGNING_REQUESTS, "", meta.name(request), meta.uid(request)),
        ]
    actions: list[Action] = []
    if subresources(request):
        actions += _approve(seen, now)
    elif _is_to_sign(request) and seen.sign is not None:
        actions += _sign(request, seen.sign, now)
    if due is not None:
        actions.append(RequeueAfter((due - now).total_seconds()))
    return actions


def subresources(request: Object) -> list[str]:
    """What the maker may have to be allowed, best first; nothing when people (or nobody) decide."""
    has_verdict = any(conditions.find(request, each) is not None for each in ("Approved", "Denied"))
    spec = request["spec"]
    if has_verdict or meta.get(request, "status", "certificate") or meta.is_terminating(request):
        return []
    parsed = parse(request) if spec["signerName"] == rules.KUBELET_CLIENT else None
    if parsed is None or rules.wrong_kubelet_client(parsed, spec.get("usages") or ()):
        return []
    return [SELF, ANY] if spec.get("username") == rules.common_name(parsed) else [ANY]


def parse(request: Object) -> x509.CertificateSigningRequest | None:
    """The request as X.509 knows it, or None when it cannot be read."""
    try:
        return x509.load_pem_x509_csr(base64.b64decode(request["spec"]["request"]))
    except ValueError:
        return None


def _approve(seen: Seen, now: datetime) -> list[Action]:
    if not seen.allowed:
        return [RequeueAfter(ASK_AGAIN_SECONDS)]
    approved = _with_condition(seen.request, "Approved", "AutoApproved", APPROVALS[seen.allowed], now)
    return [Update(CERTIFICATE_SIGNING_REQUESTS, approved, "approval")]


def _is_to_sign(request: Object) -> bool:
    return (
        conditions.is_true(request, "Approved")
        and conditions.find(request, "Denied") is None
        and not conditions.is_true(request, "Failed")
        and not meta.get(request, "status", "certificate")
        and request["spec"]["signerName"] in rules.SIGNERS
    )


def _sign(request: Object, sign: Sign, now: datetime) -> list[Action]:
    spec = request["spec"]
    parsed, usages = parse(request), spec.get("usages") or []
    if parsed is None:
        return []
    if wrong := rules.SIGNERS[spec["signerName"]](parsed, usages):
        failed = _with_condition(request, "Failed", "SignerValidationFailure", wrong, now)
        return [UpdateStatus(CERTIFICATE_SIGNING_REQUESTS, failed)]
    certificate = sign(parsed, usages, spec.get("expirationSeconds"), now)
    encoded = base64.b64encode(certificate.encode()).decode()
    status = {**(request.get("status") or {}), "certificate": encoded}
    return [UpdateStatus(CERTIFICATE_SIGNING_REQUESTS, {**request, "status": status})]


def _with_condition(request: Object, kind: str, reason: str, message: str, now: datetime) -> Object:
    status: dict[str, Any] = request.get("status") or {}
    condition = {
        "type": kind,
        "status": "True",
        "reason": reason,
        "message": message,
        "lastUpdateTime": meta.format_time(now),
    }
    changed = conditions.set_condition(status.get("conditions") or [], condition, now)
    return {**request, "status": {**status, "conditions": changed}}


def _due(request: Object) -> datetime | None:
    """When the request has been kept long enough; None when nothing tells."""
    found = meta.get(request, "status", "conditions", default=[])
    if not found:
        return meta.creation_time(request) + PENDING_AFTER
    certificate = meta.get(request, "status", "certificate")
    times = [
        meta.parse_time(each["lastUpdateTime"]) + DONE_AFTER
        for each in found
        if each.get("lastUpdateTime")
        and (each["type"] in ("Denied", "Failed") or (each["type"] == "Approved" and certificate))
    ]
    if certificate and conditions.find(request, "Approved") is not None:
        times += _end_of(certificate)
    return min(times, default=None)


def _end_of(certificate: str) -> list[datetime]:
    """When an issued certificate ends; signers of other people may have written anything."""
    try:
        return [x509.load_pem_x509_certificate(base64.b64decode(certificate)).not_valid_after_utc]
    except ValueError:
        return []
