"""The committed stubs say what the .proto files say."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2

from etcdlite.pb import rpc_pb2

ROOT = Path(__file__).resolve().parent.parent.parent
NAMES = sorted(path.stem for path in (ROOT / "proto").glob("*.proto"))


@pytest.fixture(scope="module")
def generated(tmp_path_factory):
    target = tmp_path_factory.mktemp("stubs")
    subprocess.run([sys.executable, "-P", ROOT / "proto" / "generate.py", target], check=True)
    return target / "etcdlite" / "pb"


def descriptor_line(path: Path) -> str:
    """The one line of a stub that carries the meaning; the others differ from one protoc to the next."""
    return next(line for line in path.read_text().splitlines() if line.startswith("DESCRIPTOR = "))


@pytest.mark.parametrize("name", NAMES)
def test_stub_is_what_protoc_writes_today(generated, name):
    stub = f"{name}_pb2.py"
    assert descriptor_line(generated / stub) == descriptor_line(ROOT / "etcdlite" / "pb" / stub)


def test_no_stub_is_left_over(generated):
    committed = {path.name for path in (ROOT / "etcdlite" / "pb").glob("*_pb2*.py")}
    assert committed == {path.name for path in generated.iterdir() if path.suffix == ".py"}


@pytest.mark.parametrize("name", NAMES)
def test_stub_imports_without_the_proto_folder(name):
    module = importlib.import_module(f"etcdlite.pb.{name}_pb2")
    assert isinstance(module.DESCRIPTOR.serialized_pb, bytes)
    descriptor_pb2.FileDescriptorProto.FromString(module.DESCRIPTOR.serialized_pb)


def test_services_have_etcds_names():
    services = rpc_pb2.DESCRIPTOR.services_by_name
    assert {service.full_name for service in services.values()} == {
        f"etcdserverpb.{name}" for name in ("KV", "Watch", "Lease", "Cluster", "Maintenance")
    }
