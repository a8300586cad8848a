"""A certificate authority for one test run: ECDSA certificates for 127.0.0.1, as the launcher makes them."""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = datetime.timedelta(days=1)


@dataclass
class Authority:
    """Makes key pairs below `folder`, all signed by `folder/ca.crt`."""

    folder: Path
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @property
    def ca(self) -> str:
        return str(self.folder / "ca.crt")

    def pair(self, common_name: str, organization: str = "", names: Sequence[str] = ()) -> tuple[str, str]:
        """The paths of a new certificate, good for other `names`, too, and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _subject(common_name, organization)
        certificate = (
            _builder(subject, self.certificate.subject, key)
            .add_extension(
                x509.SubjectAlternativeName(
                    [
                        x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
                        *(x509.DNSName(name) for name in ("localhost", *names)),
                    ]
                ),
                critical=False,
            )
            .sign(self.key, hashes.SHA256())
        )
        base = common_name.replace(":", "-")
        return _write(self.folder, base, certificate, key)


def make_authority(folder: Path, name: str = "") -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _subject(name or f"test-ca {folder.name}", "")
    certificate = (
        _builder(subject, subject, key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    _write(folder, "ca", certificate, key)
    return Authority(folder, key, certificate)


def _subject(common_name: str, organization: str) -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    if organization:
        attributes.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
    return x509.Name(attributes)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)  # noqa: TID251 -- TLS checks against the real clock
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - DAY)
        .not_valid_after(now + DAY)
    )


def _write(
    folder: Path, base: str, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey
) -> tuple[str, str]:
    folder.mkdir(parents=True, exist_ok=True)
    cert_path, key_path = folder / f"{base}.crt", folder / f"{base}.key"
    cert_path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return str(cert_path), str(key_path)
