"""Shell: makes the cluster's certificate authorities, certificates and service-account key, and keeps them.

    ca       signs everything that speaks HTTP: servers, components' client certificates, the admin
    etcd-ca  signs what speaks to the store: its members, the API server as its client, and etcdctl's user
    front-proxy-ca  signs what may say for whom it asks: the API server, towards extension API servers

A certificate is both its process's server certificate and its client certificate. What exists is kept,
unless it is near its end, was signed by another CA or no longer names the wanted addresses: then it is made
again. Keys are ECDSA P-256, in files that only their owner reads.

Absent: revocation and rotation while running; `up` makes again what ends within three months.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from deploy.errors import LaunchError
from deploy.layout import LOCAL, Layout
from deploy.processes import FRONT_PROXY, METRICS_SERVER
from deploy.topology import FLEET, Topology

CA_LIFETIME = timedelta(days=3650)
LIFETIME = timedelta(days=365)
RENEW_BEFORE = timedelta(days=90)
# Clocks of machines that share a data dir may differ a little.
BACKDATE = timedelta(minutes=5)

LOCAL_NAMES = ("localhost",)
AUTHORITIES = ("ca", "etcd-ca", "front-proxy-ca")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A certificate that shall exist: its file name, subject, and the names and addresses it answers for."""

    file: str
    ca: str
    common_name: str
    organization: str = ""
    names: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Authority:
    """A CA in memory, ready to sign."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def wanted_certificates(topology: Topology, layout: Layout) -> list[Wanted]:
    """Every certificate of the cluster; who a component is towards the API server stands in its subject."""
    kubernetes = (
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
    )
    return [
        *(
            Wanted(f"etcd-{i}", "etcd-ca", f"etcd-{i}", names=LOCAL_NAMES, addresses=(LOCAL,))
            for i in range(topology.etcd)
        ),
        Wanted("etcd-client", "etcd-ca", "root"),
        Wanted("apiserver-etcd-client", "etcd-ca", "kube-apiserver-etcd-client"),
        Wanted(
            "apiserver",
            "ca",
            "kube-apiserver",
            names=(*LOCAL_NAMES, *kubernetes),
            addresses=(LOCAL, layout.first_service_ip),
        ),
        Wanted("apiserver-kubelet-client", "ca", "kube-apiserver-kubelet-client", "system:masters"),
        Wanted(FRONT_PROXY, "front-proxy-ca", FRONT_PROXY),
        Wanted("admin", "ca", "kubernetes-admin", "system:masters"),
        Wanted(
            "controller-manager",
            "ca",
            "system:kube-controller-manager",
            names=LOCAL_NAMES,
            addresses=(LOCAL,),
        ),
        Wanted("scheduler", "ca", "system:kube-scheduler", names=LOCAL_NAMES, addresses=(LOCAL,)),
        Wanted("proxy", "ca", "system:kube-proxy", names=LOCAL_NAMES, addresses=(LOCAL,)),
        Wanted(
            METRICS_SERVER,
            "ca",
            f"system:{METRICS_SERVER}",
            names=(*LOCAL_NAMES, f"{METRICS_SERVER}.kube-system.svc"),
            addresses=(LOCAL,),
        ),
        *(
            Wanted(
                f"kubelet-{node}",
                "ca",
                f"system:node:{node}",
                "system:nodes",
                names=(node, *LOCAL_NAMES),
                addresses=(layout.node_ip(position), LOCAL),
            )
            for position, node in enumerate(topology.nodes, start=1)
        ),
        *([_fleet(layout)] if topology.fleet else []),
    ]


def _fleet(layout: Layout) -> Wanted:
    """One certificate for all its nodes; its role is in apiserver/authorization/bootstrap_policy.py."""
    addresses = (layout.fleet_ip, LOCAL)
    return Wanted(FLEET, "ca", "system:kubelite:node-fleet", names=LOCAL_NAMES, addresses=addresses)


def ensure(topology: Topology, layout: Layout, now: datetime) -> None:
    """Make what is missing or outdated below `pki/`."""
    layout.pki.mkdir(parents=True, exist_ok=True)
    authorities = {name: _ensure_authority(layout, name, now) for name in AUTHORITIES}
    for wanted in wanted_certificates(topology, layout):
        if not _is_good(layout, wanted, authorities[wanted.ca], now):
            _issue(layout, wanted, authorities[wanted.ca], now)
    if not layout.key("sa").exists():
        key = ec.generate_private_key(ec.SECP256R1())
        _write_public(layout.pki / "sa.pub", _public_pem(key))
        _write_key(layout.key("sa"), key)


def _ensure_authority(layout: Layout, name: str, now: datetime) -> Authority:
    """The CA from its files, or a new one; half of one is refused, as a new key would orphan the rest."""
    cert_file, key_file = layout.cert(name), layout.key(name)
    if cert_file.exists() != key_file.exists():
        missing = key_file if cert_file.exists() else cert_file
        raise LaunchError(
            f"{missing} is missing: put it back, or remove {layout.pki} to make all certificates anew"
        )
    if cert_file.exists():
        return Authority(x509.load_pem_x509_certificate(cert_file.read_bytes()), _read_key(key_file))
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"kubelite-{name}")])
    certificate = (
        _builder(subject, subject, key.public_key(), now, CA_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    _write_key(key_file, key)
    _write_public(cert_file, certificate.public_bytes(serialization.Encoding.PEM))
    return Authority(certificate, key)


def _is_good(layout: Layout, wanted: Wanted, authority: Authority, now: datetime) -> bool:
    """Whether the file holds what is wanted, signed by this CA, for long enough."""
    cert_file = layout.cert(wanted.file)
    if not cert_file.exists() or not layout.key(wanted.file).exists():
        return False
    certificate = x509.load_pem_x509_certificate(cert_file.read_bytes())
    try:
        certificate.verify_directly_issued_by(authority.certificate)
    except (InvalidSignature, ValueError):
        return False
    return (
        certificate.not_valid_after_utc - now > RENEW_BEFORE
        and certificate.subject == _subject(wanted)
        and _alternative_names_of(certificate) == _alternative_names(wanted)
    )


def _issue(layout: Layout, wanted: Wanted, authority: Authority, now: datetime) -> None:
    """Sign a new key's certificate; the key is written first, so that a certificate is never without one."""
    key = ec.generate_private_key(ec.SECP256R1())
    usages = [ExtendedKeyUsageOID.CLIENT_AUTH]
    if wanted.names or wanted.addresses:
        usages.append(ExtendedKeyUsageOID.SERVER_AUTH)
    issuer = authority.certificate
    builder = (
        _builder(_subject(wanted), issuer.subject, key.public_key(), now, LIFETIME)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()), critical=False
        )
    )
    if names := _alternative_names(wanted):
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    layout.cert(wanted.file).unlink(missing_ok=True)
    _write_key(layout.key(wanted.file), key)
    certificate = builder.sign(authority.key, hashes.SHA256())
    _write_public(layout.cert(wanted.file), certificate.public_bytes(serialization.Encoding.PEM))


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, lifetime: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATE)
        .not_valid_after(now + lifetime)
    )


def _subject(wanted: Wanted) -> x509.Name:
    parts = [x509.NameAttribute(NameOID.COMMON_NAME, wanted.common_name)]
    if wanted.organization:
        parts.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, wanted.organization))
    return x509.Name(parts)


def _alternative_names(wanted: Wanted) -> list[x509.GeneralName]:
    return [
        *(x509.DNSName(name) for name in wanted.names),
        *(x509.IPAddress(ipaddress.ip_address(address)) for address in wanted.addresses),
    ]


def _alternative_names_of(certificate: x509.Certificate) -> Sequence[x509.GeneralName]:
    try:
        return list(certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        return []


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _read_key(path: Path) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise LaunchError(f"{path} holds no ECDSA key; remove {path.parent} to make all certificates anew")
    return key


def _public_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(pem)


def _write_public(path: Path, pem: bytes) -> None:
    """Write beside and rename, so that a full disk leaves no half certificate."""
    partial = path.with_suffix(path.suffix + ".new")
    partial.write_bytes(pem)
    partial.replace(path)
