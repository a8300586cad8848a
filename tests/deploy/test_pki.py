"""Certificates: who signed them, who they speak for, who may read the keys, and when they are made again."""

from __future__ import annotations

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from deploy import pki
from deploy.errors import LaunchError
from deploy.layout import Layout
from deploy.topology import Topology

NOW = datetime(2030, 1, 1, tzinfo=UTC)
TOPOLOGY = Topology(etcd=1, apiserver=1, controller_manager=1, scheduler=1, nodes=("node1",))


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    made = Layout(tmp_path, 6440, 3)
    pki.ensure(TOPOLOGY, made, NOW)
    return made


def load(layout: Layout, name: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(layout.cert(name).read_bytes())


def contents(layout: Layout) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in layout.pki.iterdir()}


@pytest.mark.parametrize(
    ("name", "ca", "subject"),
    [
        ("admin", "ca", "O=system:masters,CN=kubernetes-admin"),
        ("controller-manager", "ca", "CN=system:kube-controller-manager"),
        ("scheduler", "ca", "CN=system:kube-scheduler"),
        ("proxy", "ca", "CN=system:kube-proxy"),
        ("kubelet-node1", "ca", "O=system:nodes,CN=system:node:node1"),
        ("apiserver-kubelet-client", "ca", "O=system:masters,CN=kube-apiserver-kubelet-client"),
        ("apiserver-etcd-client", "etcd-ca", "CN=kube-apiserver-etcd-client"),
        ("etcd-0", "etcd-ca", "CN=etcd-0"),
    ],
)
def test_who_a_certificate_speaks_for(layout: Layout, name: str, ca: str, subject: str) -> None:
    certificate = load(layout, name)
    certificate.verify_directly_issued_by(load(layout, ca))
    assert {each.rfc4514_string() for each in certificate.subject.rdns} == set(subject.split(","))


def test_the_api_server_answers_for_its_names_and_addresses(layout: Layout) -> None:
    names = load(layout, "apiserver").extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "kubernetes.default.svc" in names.get_values_for_type(x509.DNSName)
    assert [str(ip) for ip in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "127.99.0.1"]


def test_only_their_owner_reads_keys(layout: Layout) -> None:
    modes = {stat.S_IMODE(path.stat().st_mode) for path in layout.pki.glob("*.key")}
    assert modes == {0o600}


def test_a_second_time_changes_nothing(layout: Layout) -> None:
    before = contents(layout)
    pki.ensure(TOPOLOGY, layout, NOW + timedelta(days=30))
    assert contents(layout) == before


def test_near_its_end_a_certificate_is_made_again_by_the_same_authority(layout: Layout) -> None:
    before = contents(layout)
    pki.ensure(TOPOLOGY, layout, NOW + timedelta(days=300))
    after = contents(layout)
    kept = {name for name in before if before[name] == after[name]}
    authorities = {f"{name}.{kind}" for name in pki.AUTHORITIES for kind in ("crt", "key")}
    assert kept == authorities | {"sa.key", "sa.pub"}


def test_another_address_makes_that_certificate_again(layout: Layout) -> None:
    before = contents(layout)
    pki.ensure(TOPOLOGY, Layout(layout.data_dir, 6440, 4), NOW)
    after = contents(layout)
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"apiserver.crt", "apiserver.key", "kubelet-node1.crt", "kubelet-node1.key"}


def test_half_an_authority_is_refused(layout: Layout) -> None:
    layout.key("ca").unlink()
    with pytest.raises(LaunchError, match=r"ca\.key is missing: put it back, or remove"):
        pki.ensure(TOPOLOGY, layout, NOW)
