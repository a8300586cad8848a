"""Core: what is special about CertificateSigningRequests: what was asked for stays; who answers what.

    the object itself   labels and the like; spec and status stay as they were
    /approval           the conditions Approved and Denied
    /status             the certificate, and conditions of other types

After: k8s pkg/registry/certificates/certificates/strategy.go; pkg/apis/certificates/validation/validation.go
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

from cryptography import x509

from apiserver.registry import formats, names
from apiserver.registry.strategy import Errors, Strategy
from kube.api import meta
from kube.api.errors import FieldError, quote
from kube.api.meta import Object

USAGES = (
    "any",
    "cert sign",
    "client auth",
    "code signing",
    "content commitment",
    "crl sign",
    "data encipherment",
    "decipher only",
    "digital signature",
    "email protection",
    "encipher only",
    "ipsec end system",
    "ipsec tunnel",
    "ipsec user",
    "key agreement",
    "key encipherment",
    "microsoft sgc",
    "netscape sgc",
    "ocsp signing",
    "s/mime",
    "server auth",
    "signing",
    "timestamping",
)
VERDICTS = ("Approved", "Denied")
FINAL = (*VERDICTS, "Failed")
STATUSES = ("False", "True", "Unknown")
SECONDS_MIN = 600
SIGNER_BYTES_MAX = 571
LEGACY_SIGNER = "kubernetes.io/legacy-unknown"
BEGIN, END = b"-----BEGIN CERTIFICATE REQUEST-----", b"-----END CERTIFICATE REQUEST-----"


def keep_request(new: Object, old: Object) -> None:
    """Through the object's own door nothing of it changes but its metadata."""
    for part in ("spec", "status"):
        new.pop(part, None)
        if part in old:
            new[part] = meta.deep_copy(old[part])


def validate(o: Object) -> Errors:
    """A request that is one, for a known use, to a named signer."""
    spec = o.get("spec") or {}
    usages, signer, seconds = (
        spec.get("usages") or [],
        spec.get("signerName") or "",
        spec.get("expirationSeconds"),
    )
    errors: Errors = []
    if wrong := _wrong_request(spec.get("request") or ""):
        errors.append(FieldError.invalid("spec.request", spec.get("request") or "", wrong))
    if not usages:
        errors.append(FieldError.required("spec.usages"))
    for index, usage in enumerate(usages):
        errors += formats.optional_choice(usage, f"spec.usages[{index}]", USAGES)
    for index, usage in enumerate(usages):
        if usage in usages[:index]:
            errors.append(FieldError.duplicate(f"spec.usages[{index}]", usage))
    errors += _signer(signer, "spec.signerName")
    if seconds is not None and seconds < SECONDS_MIN:
        text = "may not specify a duration less than 600 seconds (10 minutes)"
        errors.append(FieldError.invalid("spec.expirationSeconds", seconds, text))
    return errors + _conditions(meta.get(o, "status", "conditions", default=[]), "status.conditions")


def _wrong_request(encoded: str) -> str:
    try:
        text = base64.b64decode(encoded)
    except binascii.Error:
        text = b""
    if BEGIN not in text or END not in text:
        return "PEM block type must be CERTIFICATE REQUEST"
    try:
        request = x509.load_pem_x509_csr(text)
    except ValueError as error:
        return f"asn1: structure error: {error}"
    return "" if request.is_signature_valid else "x509: signature verification failed"


def _signer(name: str, path: str) -> Errors:
    if not name:
        return [FieldError.required(path)]
    if name == LEGACY_SIGNER:
        text = "the legacy signerName is not allowed via this API version"
        return [FieldError.invalid(path, name, text)]
    domain, _, rest = name.partition("/")
    if name.count("/") != 1:
        text = "must be a fully qualified domain and path of the form 'example.com/signer-name'"
        return [FieldError.invalid(path, name, text)]
    labels = domain.split(".")
    errors = _labels(labels, domain, path)
    if len(labels) < 2:
        text = "should be a domain with at least two segments separated by dots"
        errors.append(FieldError.invalid(path, domain, text))
    if len(name) > SIGNER_BYTES_MAX:
        errors.append(FieldError.too_long(path, SIGNER_BYTES_MAX))
    return errors + _labels([rest], rest, path, names.dns_subdomain)


def _labels(labels: list[str], whole: str, path: str, rule: Any = names.dns_label) -> Errors:
    """The first label that is none."""
    for label in labels:
        if wrong := rule(label):
            return [
                FieldError.invalid(path, whole, f"validating label {quote(label)}: {text}") for text in wrong
            ]
    return []


def _conditions(conditions: list[Any], path: str) -> Errors:
    errors: Errors = []
    seen: list[str] = []
    for index, each in enumerate(conditions):
        at, kind, status = f"{path}[{index}]", each.get("type") or "", each.get("status") or ""
        if not kind:
            errors.append(FieldError.required(f"{at}.type"))
        errors += formats.choice(status, f"{at}.status", ("True",) if kind in FINAL else STATUSES)
        if kind in VERDICTS and any(other in seen for other in VERDICTS if other != kind):
            text = "Approved and Denied conditions are mutually exclusive"
            errors.append(FieldError.invalid(f"{at}.type", kind, text))
        if kind in seen:
            errors.append(FieldError.duplicate(f"{at}.type", kind))
        seen.append(kind)
    return errors


def _of_type(o: Object, kind: str) -> list[Any]:
    return [each for each in meta.get(o, "status", "conditions", default=[]) if each.get("type") == kind]


def _lost_verdicts(new: Object, old: Object) -> Errors:
    lost = (kind for kind in FINAL if len(_of_type(new, kind)) < len(_of_type(old, kind)))
    return [
        FieldError.forbidden("status.conditions", f'updates may not remove a condition of type "{kind}"')
        for kind in lost
    ]


def approval(new: Object, old: Object) -> Errors:
    """A verdict, once given, stays."""
    return _lost_verdicts(new, old) + validate(new)


def status(new: Object, old: Object) -> Errors:
    """The signer's part: verdicts are not his, and a certificate is issued once."""
    errors = validate(new) + _lost_verdicts(new, old)
    for kind in VERDICTS:
        before, after = _of_type(old, kind), _of_type(new, kind)
        if len(after) >= len(before) and after != before:
            verb = "add" if len(after) > len(before) else "modify"
            text = f'updates may not {verb} a condition of type "{kind}"'
            errors.append(FieldError.forbidden("status.conditions", text))
    before = meta.get(old, "status", "certificate")
    if before and before != meta.get(new, "status", "certificate"):
        text = "updates may not modify existing certificate content"
        errors.append(FieldError.forbidden("status.certificate", text))
    return errors


STRATEGY = Strategy(
    is_complete=True,
    name_errors=names.path_segment,
    prepare_update=keep_request,
    validate=validate,
    subresources={"approval": approval, "status": status},
)
