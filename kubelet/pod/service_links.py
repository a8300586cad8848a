"""Core: the variables that tell a container where Services are.

    db, 5432/TCP -> DB_SERVICE_HOST DB_SERVICE_PORT DB_PORT DB_PORT_5432_TCP and DB_PORT_5432_TCP_*

After: k8s pkg/kubelet/envvars/envvars.go; pkg/kubelet/kubelet_pods.go, getServiceEnvVarMap.
"""

from __future__ import annotations

from collections.abc import Iterable

from kube.api import meta
from kube.api.meta import Object


def service_links(pod: Object, services: Iterable[Object]) -> dict[str, str]:
    """Those of the API server always, those of the pod's namespace unless the pod wants none."""
    wants_all = pod["spec"].get("enableServiceLinks", True) is not False
    chosen: dict[str, Object] = {}
    for service in sorted(services, key=meta.key):
        if (service["spec"].get("clusterIP") or "None") == "None":
            continue
        if meta.key(service) == "default/kubernetes":
            chosen.setdefault("kubernetes", service)
        elif wants_all and meta.namespace(service) == meta.namespace(pod):
            chosen[meta.name(service)] = service
    found: dict[str, str] = {}
    for name in sorted(chosen):
        found |= _of_service(chosen[name])
    return found


def _of_service(service: Object) -> dict[str, str]:
    name = _variable(meta.name(service))
    ip, ports = service["spec"]["clusterIP"], service["spec"].get("ports") or ()
    found = {f"{name}_SERVICE_HOST": ip}
    if ports:
        found[f"{name}_SERVICE_PORT"] = str(ports[0]["port"])
    for port in ports:
        if port.get("name"):
            found[f"{name}_SERVICE_PORT_{_variable(port['name'])}"] = str(port["port"])
    host = f"[{ip}]" if ":" in ip else ip
    for index, port in enumerate(ports):
        number, protocol = port["port"], port.get("protocol") or "TCP"
        url = f"{protocol.lower()}://{host}:{number}"
        prefix = f"{name}_PORT_{number}_{protocol.upper()}"
        found |= {f"{name}_PORT": url} if index == 0 else {}
        found |= {
            prefix: url,
            f"{prefix}_PROTO": protocol.lower(),
            f"{prefix}_PORT": str(number),
            f"{prefix}_ADDR": ip,
        }
    return found


def _variable(name: str) -> str:
    return name.replace("-", "_").upper()
