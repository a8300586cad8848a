"""Shell: no certificate for clients names the group that may do anything: nothing could take it back.

After: k8s plugin/pkg/admission/certificates/subjectrestriction/admission.go
"""

from __future__ import annotations

import base64

from cryptography import x509
from cryptography.x509.oid import NameOID

from apiserver.admission.chain import CREATE, Attributes
from apiserver.authentication.user import MASTERS
from kube.api import errors, meta
from kube.api.meta import Object
from kube.api.resources import CERTIFICATE_SIGNING_REQUESTS

SIGNER = "kubernetes.io/kube-apiserver-client"


class CertificateSubjectRestriction:
    """Looks into new requests; the validation has seen that they can be read."""

    async def validate(self, attributes: Attributes, o: Object, old: Object | None) -> None:
        if attributes.resource is not CERTIFICATE_SIGNING_REQUESTS or attributes.operation != CREATE:
            return
        if attributes.subresource or meta.get(o, "spec", "signerName") != SIGNER:
            return
        request = x509.load_pem_x509_csr(base64.b64decode(o["spec"]["request"]))
        organizations = request.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
        if any(each.value == MASTERS for each in organizations):
            why = f"use of {SIGNER} signer with {MASTERS} group is not allowed"
            raise errors.forbidden(attributes.resource, attributes.name, why)
