"""Shell: the cluster's certificate authority: turns a request into a certificate.

A certificate begins a few minutes ago, for clocks that are behind, and never outlives its authority. What is
in the request besides subject, key and alternative names is not taken over.

After: k8s pkg/controller/certificates/{authority/policies,authority/authority,signer/signer}.go.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from controllers.certificate_signing_request.rules import alternative_names
from kube.base.run import StartupError

BACKDATE = timedelta(minutes=5)
# Below this, five minutes less at the end would be missed.
SHORT = timedelta(hours=8)
SHORTEST = timedelta(minutes=10)

KEY_USAGES = {
    "signing": "digital_signature",
    "digital signature": "digital_signature",
    "content commitment": "content_commitment",
    "key encipherment": "key_encipherment",
    "key agreement": "key_agreement",
    "data encipherment": "data_encipherment",
    "cert sign": "key_cert_sign",
    "crl sign": "crl_sign",
    "encipher only": "encipher_only",
    "decipher only": "decipher_only",
}
EXTENDED_USAGES = {
    "any": ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
    "server auth": ExtendedKeyUsageOID.SERVER_AUTH,
    "client auth": ExtendedKeyUsageOID.CLIENT_AUTH,
    "code signing": ExtendedKeyUsageOID.CODE_SIGNING,
    "email protection": ExtendedKeyUsageOID.EMAIL_PROTECTION,
    "s/mime": ExtendedKeyUsageOID.EMAIL_PROTECTION,
    "ipsec end system": x509.ObjectIdentifier("1.3.6.1.5.5.7.3.5"),
    "ipsec tunnel": x509.ObjectIdentifier("1.3.6.1.5.5.7.3.6"),
    "ipsec user": x509.ObjectIdentifier("1.3.6.1.5.5.7.3.7"),
    "timestamping": ExtendedKeyUsageOID.TIME_STAMPING,
    "ocsp signing": ExtendedKeyUsageOID.OCSP_SIGNING,
    "microsoft sgc": x509.ObjectIdentifier("1.3.6.1.4.1.311.10.3.3"),
    "netscape sgc": x509.ObjectIdentifier("2.16.840.1.113730.4.1"),
}


@dataclass(frozen=True, slots=True)
class Authority:
    """The authority's certificate and key; `longest` is how long what it signs may be valid."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
    longest: timedelta

    @classmethod
    def load(cls, cert_file: str, key_file: str, longest: timedelta) -> Authority:
        """Read both from PEM files."""
        try:
            certificate = x509.load_pem_x509_certificate(Path(cert_file).read_bytes())
            key = serialization.load_pem_private_key(Path(key_file).read_bytes(), None)
        except (OSError, ValueError, TypeError) as error:
            raise StartupError(
                f"cannot read --cluster-signing-cert-file {cert_file} and "
                f"--cluster-signing-key-file {key_file}: {error}"
            ) from error
        if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
            raise StartupError(f"--cluster-signing-key-file {key_file}: neither an RSA nor an EC key")
        if key.public_key() != certificate.public_key():
            raise StartupError(f"--cluster-signing-key-file {key_file} is not the key of {cert_file}")
        return cls(certificate, key, longest)

    def sign(
        self,
        request: x509.CertificateSigningRequest,
        usages: Sequence[str],
        seconds: int | None,
        now: datetime,
    ) -> str:
        """The certificate as PEM; ValueError when the authority itself has expired."""
        end = self.certificate.not_valid_after_utc
        if now >= end:
            raise ValueError(f"refusing to sign a certificate that expired in the past: NotAfter={end}")
        lifetime = self.lifetime(seconds)
        until = now + lifetime - (timedelta(0) if lifetime < SHORT else BACKDATE)
        builder = (
            x509.CertificateBuilder()
            .subject_name(request.subject)
            .issuer_name(self.certificate.subject)
            .public_key(request.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - BACKDATE)
            .not_valid_after(min(until, end))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False
            )
        )
        builder = _with_usages(builder, usages)
        if names := alternative_names(request):
            builder = builder.add_extension(
                x509.SubjectAlternativeName(names), critical=not list(request.subject)
            )
        signed = builder.sign(self.key, hashes.SHA256())
        return signed.public_bytes(serialization.Encoding.PEM).decode()

    def lifetime(self, seconds: int | None) -> timedelta:
        """How long a certificate is valid when so many seconds were asked for."""
        if seconds is None:
            return self.longest
        return min(max(timedelta(seconds=seconds), SHORTEST), self.longest)


def _with_usages(builder: x509.CertificateBuilder, usages: Sequence[str]) -> x509.CertificateBuilder:
    wanted = {KEY_USAGES[usage] for usage in usages if usage in KEY_USAGES}
    if "key_agreement" not in wanted:
        # Alone they mean nothing, and cannot be written.
        wanted -= {"encipher_only", "decipher_only"}
    if wanted:
        flags = {each: each in wanted for each in KEY_USAGES.values()}
        builder = builder.add_extension(x509.KeyUsage(**flags), critical=True)
    extended = dict.fromkeys(oid for usage, oid in EXTENDED_USAGES.items() if usage in usages)
    if extended:
        builder = builder.add_extension(x509.ExtendedKeyUsage(extended), critical=False)
    return builder
