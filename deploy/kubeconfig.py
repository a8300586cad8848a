"""Shell: writes the kubeconfigs of the admin and the components, and the `env` file for a shell to source.

Our components know every API server by its own address (the `servers` extension) and fail over between them;
kubectl, which knows but one address, uses the shared port.
"""

from __future__ import annotations

import base64
import os
import shlex
import sys
from pathlib import Path
from typing import Any

import yaml

from deploy.layout import Layout, local_url
from deploy.processes import METRICS_SERVER, apiserver_urls, etcd_client_urls
from deploy.topology import FLEET, Topology


def write_all(topology: Topology, layout: Layout) -> None:
    """Write `admin.kubeconfig`, `kubeconfigs/` and `env` as topology and layout say now."""
    servers = apiserver_urls(topology, layout)
    shared = local_url(layout.shared_api_port)
    admin = _kubeconfig(
        shared,
        servers,
        {"certificate-authority-data": _base64(layout.cert("ca"))},
        "kubernetes-admin",
        {
            "client-certificate-data": _base64(layout.cert("admin")),
            "client-key-data": _base64(layout.key("admin")),
        },
    )
    _write_private(layout.admin_kubeconfig, admin)
    kubelets = (f"kubelet-{node}" for node in topology.nodes)
    fleet = (FLEET,) if topology.fleet else ()
    for component in ("controller-manager", "scheduler", "proxy", METRICS_SERVER, *kubelets, *fleet):
        path = layout.kubeconfig(component)
        path.parent.mkdir(parents=True, exist_ok=True)
        document = _kubeconfig(
            servers[0] if servers else shared,
            servers,
            {"certificate-authority": str(layout.cert("ca"))},
            component,
            {
                "client-certificate": str(layout.cert(component)),
                "client-key": str(layout.key(component)),
            },
        )
        _write_private(path, document)
    layout.env.write_text(env_text(topology, layout, Path(sys.executable).parent))


def env_text(topology: Topology, layout: Layout, programs: Path) -> str:
    """Shell lines that point kubectl, etcdctl and kl at this cluster."""
    values = {
        "KUBECONFIG": layout.admin_kubeconfig,
        "KUBELITE_DATA_DIR": layout.data_dir,
        "ETCDCTL_API": 3,
        "ETCDCTL_ENDPOINTS": ",".join(etcd_client_urls(topology, layout)),
        "ETCDCTL_CACERT": layout.cert("etcd-ca"),
        "ETCDCTL_CERT": layout.cert("etcd-client"),
        "ETCDCTL_KEY": layout.key("etcd-client"),
    }
    lines = [f"export {name}={shlex.quote(str(value))}" for name, value in values.items()]
    return "\n".join([*lines, f'export PATH={shlex.quote(str(programs))}:"$PATH"', ""])


def _kubeconfig(
    server: str, servers: list[str], authority: dict[str, str], user: str, credentials: dict[str, str]
) -> dict[str, Any]:
    extension = {"name": "servers", "extension": {"servers": servers}}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": "kubelite", "cluster": {"server": server, **authority, "extensions": [extension]}},
        ],
        "users": [{"name": user, "user": credentials}],
        "contexts": [{"name": "kubelite", "context": {"cluster": "kubelite", "user": user}}],
        "current-context": "kubelite",
    }


def _base64(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


def _write_private(path: Path, document: dict[str, Any]) -> None:
    """Write for the owner's eyes, beside and renamed, so that a reader sees the old or the new."""
    partial = path.with_suffix(".new")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        yaml.safe_dump(document, file, sort_keys=False)
    partial.replace(path)
