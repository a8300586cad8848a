"""Shell: what of a Docker node lies outside its containers: a network, folders, and how all of it goes.

    <root dir>/docker/pods/<uid>/resolv.conf  <container>_<attempt>.log

Pods get addresses of the node's pod network in a network of the engine's own. Where that is a loopback
network, which no bridge can have, they get those of the engine's default bridge.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from ipaddress import IPv4Network, ip_address
from pathlib import Path

from kubelet.runtime.docker import images, labels
from kubelet.runtime.docker.engine import NOT_FOUND, Engine, EngineFailure
from kubelet.runtime.interface import DNSConfig, Mount

DEFAULT_BRIDGE = "bridge"


class Folders:
    """The files of a node's pods."""

    def __init__(self, root_dir: Path) -> None:
        self._pods = root_dir / "docker" / "pods"

    def pod(self, pod_uid: str) -> Path:
        return self._pods / pod_uid

    def log(self, pod_uid: str, name: str, attempt: int) -> Path:
        return self.pod(pod_uid) / f"{name}_{attempt}.log"

    def make(self, pod_uid: str, dns: DNSConfig | None, *, host_network: bool) -> None:
        """A pod's folder, with its resolv.conf. A server on the node's loopback can be reached only from the
        node's network: without another one, the engine's own resolv.conf stands.
        """
        self.pod(pod_uid).mkdir(parents=True, exist_ok=True)
        servers = dns.servers if dns is not None else ()
        reachable = [each for each in servers if host_network or not ip_address(each).is_loopback]
        if dns is not None and (reachable or not servers):
            text = replace(dns, servers=reachable).text
            (self.pod(pod_uid) / "resolv.conf").write_text(text)

    def mounts(self, pod_uid: str) -> list[Mount]:
        """What all containers of a pod get."""
        path = self.pod(pod_uid) / "resolv.conf"
        return [Mount("/etc/resolv.conf", str(path))] if path.exists() else []

    def remove(self, pod_uid: str) -> None:
        shutil.rmtree(self.pod(pod_uid), ignore_errors=True)


def make_sources(mounts: Sequence[Mount]) -> None:
    """Folders of the node that are to be mounted and are not there yet."""
    for mount in mounts:
        path = Path(mount.host_path)
        if not path.exists():
            path.mkdir(parents=True)


async def ensure_network(engine: Engine, node_name: str, root_dir: str, pods: IPv4Network) -> str:
    """The name of the network pods join."""
    if pods.is_loopback:
        return DEFAULT_BRIDGE
    if found := await _networks(engine, root_dir):
        return found[0]
    config = {
        "Name": f"kubelite-{node_name}-{pods.network_address}",
        "CheckDuplicate": True,
        "Driver": "bridge",
        "IPAM": {"Config": [{"Subnet": str(pods), "Gateway": str(pods[1])}]},
        "Labels": {labels.ROOT_DIR: root_dir, labels.NODE: node_name},
    }
    async with engine.translated():
        await engine.docker.networks.create(config)
    return str(config["Name"])


async def remove_containers(engine: Engine, label: str) -> None:
    """Those with that label, running or not."""
    rows = await engine.json("GET", "containers/json", {"all": "1", "filters": _labelled(label)})
    for row in rows:
        await remove_container(engine, row["Id"])


async def remove_container(engine: Engine, container_id: str) -> None:
    """By force; one that is no more is none."""
    try:
        async with engine.translated():
            await engine.docker.containers.container(container_id).delete(force=True, v=True)
    except EngineFailure as failure:
        if failure.code != NOT_FOUND:
            raise


async def clear(endpoint: str, root_dir: Path) -> None:
    """End and remove everything of the node with that root dir that the engine has."""
    engine = Engine(endpoint)
    await engine.open()
    try:
        await remove_containers(engine, f"{labels.ROOT_DIR}={root_dir}")
        for name in await _networks(engine, str(root_dir)):
            async with engine.translated():
                await (await engine.docker.networks.get(name)).delete()
        await images.remove_pause(engine)
    finally:
        await engine.close()


async def _networks(engine: Engine, root_dir: str) -> list[str]:
    filters = _labelled(f"{labels.ROOT_DIR}={root_dir}")
    return [row["Name"] for row in await engine.json("GET", "networks", {"filters": filters})]


def _labelled(label: str) -> str:
    return json.dumps({"label": [label]})
