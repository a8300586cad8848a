"""Certificate signing requests as text: a request in shorthand + now -> what is done."""

from __future__ import annotations

import base64
import ipaddress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from controllers.certificate_signing_request.plan import Seen, plan, subresources
from kube.api import meta
from kube.api.meta import Object
from tests import datadriven
from tests.controllers.rendering import render
from tests.controllers.test_plans import START, made

TESTDATA = Path(__file__).parent / "testdata" / "certificate_signing_request"
KEY = ec.generate_private_key(ec.SECP256R1())


def request_of(short: dict[str, Any]) -> x509.CertificateSigningRequest:
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, each) for each in short.get("orgs", [])]
    parts.append(x509.NameAttribute(NameOID.COMMON_NAME, short.get("cn", "x")))
    names: list[x509.GeneralName] = [
        *(x509.DNSName(each) for each in short.get("dns", [])),
        *(x509.IPAddress(ipaddress.ip_address(each)) for each in short.get("ips", [])),
        *(x509.RFC822Name(each) for each in short.get("emails", [])),
    ]
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(parts))
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(KEY, hashes.SHA256())


def csr(short: dict[str, Any]) -> Object:
    """Conditions are type -> seconds since START at which they were written."""
    spec = {
        "request": base64.b64encode(request_of(short).public_bytes(Encoding.PEM)).decode(),
        "signerName": f"kubernetes.io/{short['signer']}",
        "username": short.get("user", "somebody"),
        "usages": [each.strip() for each in short.get("usages", "").split(",")],
    }
    status: Object = {
        "conditions": [
            {"type": kind, "status": "True", "lastUpdateTime": meta.format_time(at(seconds))}
            for kind, seconds in short.get("conditions", {}).items()
        ]
    }
    if "certificate" in short:
        status["certificate"] = base64.b64encode(short["certificate"].encode()).decode()
    return made({"name": "r", "age": 0}, spec=spec, status=status)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def sign(request: x509.CertificateSigningRequest, *_: object) -> str:
    return f"signed {request.subject.rfc4514_string()}"


def handle(case: datadriven.Case) -> str:
    short = yaml.safe_load(case.input)
    of = csr(short)
    if case.command == "asks":
        return ", ".join(subresources(of)) or "nothing"
    seen = Seen(of, short.get("allowed", ""), sign if short.get("authority", True) else None)
    text = render(plan(seen, at(float(case.option("now", "0")))), {meta.uid(of): of})
    # The certificate is base64 in the status; the reader wants what it says.
    encoded = base64.b64encode(sign(request_of(short)).encode()).decode()
    return text.replace(encoded, sign(request_of(short)))


@pytest.mark.parametrize("path", sorted(TESTDATA.glob("*.txt")), ids=lambda path: path.stem)
def test_plan(path: Path, request: pytest.FixtureRequest) -> None:
    datadriven.run(path, request, handle)
