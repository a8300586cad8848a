"""Shell: who answers a certificate's request may do so for its signer: the right to write requests is not
enough, for some signers make administrators.

    approve or deny it    verb `approve` on signers, named by the signer or by `domain/*`
    issue, or give up     verb `sign`

After: k8s plugin/pkg/admission/certificates/{approval,signing}/admission.go; pkg/certauthorization
"""

from __future__ import annotations

from apiserver.admission.chain import UPDATE, Attributes
from apiserver.authorization.authorizer import Authorizer
from apiserver.request import RequestInfo
from kube.api import errors, meta
from kube.api.meta import Object
from kube.api.resources import CERTIFICATE_SIGNING_REQUESTS


class CertificateApproval:
    """Asks about each write of the verdict."""

    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer

    async def validate(self, attributes: Attributes, o: Object, old: Object | None) -> None:
        if old is not None and _is_answered(attributes, "approval"):
            _check(self._authorizer, attributes, old, "approve")


class CertificateSigning:
    """Asks about each change of certificate or conditions."""

    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer

    async def validate(self, attributes: Attributes, o: Object, old: Object | None) -> None:
        if old is None or not _is_answered(attributes, "status"):
            return
        if any(_part(o, part) != _part(old, part) for part in ("certificate", "conditions")):
            _check(self._authorizer, attributes, old, "sign")


def _is_answered(attributes: Attributes, subresource: str) -> bool:
    return (attributes.resource, attributes.operation, attributes.subresource) == (
        CERTIFICATE_SIGNING_REQUESTS,
        UPDATE,
        subresource,
    )


def _part(request: Object, part: str) -> object:
    return meta.get(request, "status", part) or None


def _check(authorizer: Authorizer, attributes: Attributes, request: Object, verb: str) -> None:
    """Look at the request as it was: its signer does not change through these doors."""
    signer = str(meta.get(request, "spec", "signerName", default=""))
    group, user = CERTIFICATE_SIGNING_REQUESTS.group, attributes.user
    for name in (signer, f"{signer.partition('/')[0]}/*"):
        if authorizer.allows(user, RequestInfo("", verb, group, "*", "", "signers", name)):
            return
    why = f"user not permitted to {verb} requests with signerName {errors.quote(signer)}"
    raise errors.forbidden(attributes.resource, attributes.name, why)
