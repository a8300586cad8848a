"""Shell: an API server as its own process, over a store of real members."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.support.certificates import Authority
from tests.support.store_cluster import ROOT, StoreCluster


class ApiProcess:
    """An API server as its own process; `more` are flags besides; program: what is run, if not the server."""

    def __init__(
        self,
        folder: Path,
        store: StoreCluster,
        authority: Authority,
        port: int,
        *more: str,
        program: Sequence[str] = ("-m", "apiserver"),
    ) -> None:
        self.url = f"https://127.0.0.1:{port}"
        cert, key = authority.pair("kube-apiserver")
        flags = {
            "etcd-servers": ",".join(store.endpoints),
            "etcd-cafile": store.ca,
            "etcd-certfile": store.cert,
            "etcd-keyfile": store.key,
            "secure-port": port,
            "tls-cert-file": cert,
            "tls-private-key-file": key,
            "client-ca-file": authority.ca,
            "service-account-signing-key-file": make_signing_key(folder),
        }
        command = [sys.executable, "-P", *program, *(f"--{k}={v}" for k, v in flags.items()), *more]
        self.process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)

    def end(self) -> tuple[int, str]:
        """Wait for the end: the exit code and what was written."""
        _, text = self.process.communicate(timeout=60)
        return self.process.returncode, text


def make_signing_key(folder: Path) -> Path:
    path = folder / "sa.key"
    key = ec.generate_private_key(ec.SECP256R1())
    formats = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(key.private_bytes(serialization.Encoding.PEM, *formats))
    return path
