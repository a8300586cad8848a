"""Shell: a certificate is asked for by who asks, whatever the request says.

After: k8s pkg/registry/certificates/certificates/strategy.go, PrepareForCreate
"""

from __future__ import annotations

from apiserver.admission.chain import CREATE, Attributes
from kube.api.meta import Object
from kube.api.resources import CERTIFICATE_SIGNING_REQUESTS

WHO = ("username", "uid", "groups", "extra")


class CertificateRequestUser:
    """Writes the user into the spec."""

    async def admit(self, attributes: Attributes, o: Object, old: Object | None) -> None:
        if attributes.resource is not CERTIFICATE_SIGNING_REQUESTS or attributes.operation != CREATE:
            return
        spec, user = o.setdefault("spec", {}), attributes.user
        for part in WHO:
            spec.pop(part, None)
        who = {"username": user.name, "uid": user.uid, "groups": list(user.groups)}
        spec.update({part: value for part, value in who.items() if value})
        if user.extra:
            spec["extra"] = {key: list(values) for key, values in user.extra.items()}
