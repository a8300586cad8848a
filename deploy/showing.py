"""Shell: tells the first node's kubelet of the cluster's processes, a file each: it shows them as pods.

The files lie in `run/processes`, and go with it. Kubelets are no pods.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from deploy.component import Component
from deploy.layout import Layout
from kube.base.logs import logger

log = logger(__name__)

# Whose processes are shown, and under which of Kubernetes' names.
COMPONENTS = {
    "etcdlite": "etcd",
    "etcd": "etcd",
    "apiserver": "kube-apiserver",
    "controllers": "kube-controller-manager",
    "scheduler": "kube-scheduler",
    "proxy": "kube-proxy",
    "metrics_server": "metrics-server",
}
STORE = "etcd"


def show(layout: Layout, component: Component) -> None:
    """Write down how a process fares now."""
    if component.process.module not in COMPONENTS:
        return
    path = layout.processes / f"{component.name}.json"
    try:
        path.parent.mkdir(exist_ok=True)
        _replace(path, json.dumps(_document(layout, component)))
    except OSError as error:
        # A full disk must not end a running cluster; only what kubectl shows of it is old.
        log.error("cannot write down how a process fares", process=component.name, error=error)


def _replace(path: Path, text: str) -> None:
    partial = path.with_suffix(".new")
    partial.write_text(text)
    partial.replace(path)


def _document(layout: Layout, component: Component) -> dict[str, Any]:
    process, status = component.process, component.status()
    kind = COMPONENTS[process.module]
    client = "apiserver-etcd-client" if kind == STORE else "apiserver-kubelet-client"
    run = [process.module] if process.is_program else ["python", "-P", "-m", process.module]
    return {
        **{key: status[key] for key in ("name", "state", "pid", "restarts", "lastExitCode", "startedAt")},
        "component": kind,
        "command": [*run, *process.args],
        "log": str(layout.log(component.name)),
        "healthURL": f"{process.health_url}/{'health' if kind == STORE else 'readyz'}",
        "authority": str(layout.cert("etcd-ca" if kind == STORE else "ca")),
        "certificate": str(layout.cert(client)),
        "key": str(layout.key(client)),
    }
