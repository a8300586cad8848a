"""Certificate signing requests, from the request to the certificate, on a real API server."""

from __future__ import annotations

import base64
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from controllers.certificate_signing_request.authority import Authority
from controllers.main import Settings
from kube.api import conditions, meta
from kube.api.meta import Object
from kube.api.resources import CERTIFICATE_SIGNING_REQUESTS
from kube.base.clock import SystemClock
from tests.controllers.conftest import Managed, managing

CSRS = CERTIFICATE_SIGNING_REQUESTS
ROOT = Path(__file__).parent.parent.parent
CLIENT_USAGES = ("digital signature", "client auth")


def authority() -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "the-ca")])
    now = SystemClock().now()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1000))
        .sign(key, hashes.SHA256())
    )
    return Authority(certificate, key, timedelta(days=365))


def csr(name: str, signer: str, common_name: str, organization: str = "", **spec: object) -> Object:
    parts = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    if organization:
        parts.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(parts))
    request = builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    text = base64.b64encode(request.public_bytes(Encoding.PEM)).decode()
    wanted = {"request": text, "signerName": f"kubernetes.io/{signer}", "usages": [*CLIENT_USAGES]}
    return {"metadata": {"name": name}, "spec": wanted | spec}


def verdict(o: Object, kind: str) -> Object:
    made = conditions.set_condition(
        meta.get(o, "status", "conditions", default=[]),
        {"type": kind, "status": "True", "reason": "R", "message": "M"},
        SystemClock().now(),
    )
    return {**o, "status": {"conditions": made}}


def issued(o: Object) -> x509.Certificate:
    return x509.load_pem_x509_certificate(base64.b64decode(o["status"]["certificate"]))


def has_certificate(o: Object) -> object:
    return meta.get(o, "status", "certificate")


@pytest.fixture
def ca() -> Authority:
    return authority()


@pytest.fixture
async def managed(ca: Authority) -> AsyncIterator[Managed]:
    async with managing(Settings(root_ca="THE-CA", authority=ca)) as found:
        yield found


async def test_an_approved_request_is_signed(managed: Managed, ca: Authority) -> None:
    asked = csr("alice", "kube-apiserver-client", "alice", "devs", expirationSeconds=3600)
    made = await managed.client.create(CSRS, asked)
    await managed.client.update(CSRS, verdict(made, "Approved"), "approval")
    found = await managed.until(CSRS, "alice", has_certificate, None)
    certificate = issued(found)
    certificate.verify_directly_issued_by(ca.certificate)
    assert certificate.subject.rfc4514_string() == "CN=alice,O=devs"
    assert certificate.not_valid_after_utc - certificate.not_valid_before_utc == timedelta(minutes=65)
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert [*usage] == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


async def test_a_bad_request_fails_though_approved(managed: Managed) -> None:
    asked = csr("bad", "kubelet-serving", "system:node:n1", "system:nodes")
    made = await managed.client.create(CSRS, asked)
    await managed.client.update(CSRS, verdict(made, "Approved"), "approval")
    found = await managed.until(CSRS, "bad", lambda o: conditions.is_true(o, "Failed"), None)
    failed = conditions.find(found, "Failed")
    assert failed is not None
    assert failed["reason"] == "SignerValidationFailure"
    assert failed["message"] == "DNS or IP subjectAltName is required"
    assert not has_certificate(found)


async def test_a_kubelet_gets_its_client_certificate_by_itself(managed: Managed, ca: Authority) -> None:
    made = await managed.client.create(
        CSRS, csr("node", "kube-apiserver-client-kubelet", "system:node:n1", "system:nodes")
    )
    found = await managed.until(CSRS, "node", has_certificate, None)
    approved = conditions.find(found, "Approved")
    assert approved is not None
    assert approved["reason"] == "AutoApproved"
    assert meta.uid(found) == meta.uid(made)
    issued(found).verify_directly_issued_by(ca.certificate)


async def test_a_denied_request_is_never_signed(managed: Managed) -> None:
    for name, kind in (("no", "Denied"), ("yes", "Approved")):
        made = await managed.client.create(CSRS, csr(name, "kube-apiserver-client", "bob"))
        await managed.client.update(CSRS, verdict(made, kind), "approval")
    await managed.until(CSRS, "yes", has_certificate, None)
    denied = await managed.client.get(CSRS, None, "no")
    assert not has_certificate(denied)


def test_half_an_authority_is_refused() -> None:
    files = ("kubeconfig", "tls-cert-file", "tls-private-key-file", "client-ca-file")
    flags = [f"--{each}=nowhere" for each in (*files, "cluster-signing-cert-file")]
    command = [sys.executable, "-P", "-m", "controllers", *flags]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == (
        "error: --cluster-signing-cert-file and --cluster-signing-key-file go together: set both\n"
    )
