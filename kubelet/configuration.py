"""Shell: what a pod's sandbox and containers are made of: its spec, and what that refers to.

    pod, ConfigMaps, Secrets, Services, volumes, the node -> (pod/config.py) -> SandboxConfig, ContainerConfig

After: k8s pkg/kubelet/kubelet_pods.go, GenerateRunContainerOptions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from kube.api import meta, quantity
from kube.api.errors import StatusError
from kube.api.meta import Object
from kube.client.informer import Informer
from kube.client.rest import ConnectionFailed
from kubelet.pod import naming
from kubelet.pod.config import container_config, sandbox_config
from kubelet.pod.downward import Surroundings
from kubelet.pod.environment import environment, references
from kubelet.pod.failures import CannotConfigure
from kubelet.pod.service_links import service_links
from kubelet.pod.static import is_static
from kubelet.runtime.interface import ContainerConfig, DNSConfig, RuntimeFailure, SandboxConfig
from kubelet.volumes.interface import PodVolumes
from kubelet.volumes.mounts import hosts_mount, mounts
from kubelet.volumes.objects import PodObjects

HOSTS_FILE = "etc-hosts"


@dataclass(frozen=True, slots=True)
class Surface:
    """The node as its pods see it. allocatable: what it has for them; dns: its own resolv.conf; cluster_dns:
    the servers of the cluster, none until it has any; has_files: containers get a hosts file.
    """

    ip: str
    allocatable: Mapping[str, str] = field(default_factory=dict)
    dns: DNSConfig = field(default_factory=DNSConfig)
    cluster_dns: tuple[str, ...] = ()
    cluster_domain: str = "cluster.local"
    has_files: bool = True


class Configuration:
    """Of all pods of a node."""

    def __init__(
        self, surface: Surface, objects: PodObjects, services: Informer, volumes: PodVolumes, pods_dir: Path
    ) -> None:
        self._surface, self._objects, self._services = surface, objects, services
        self._volumes, self._pods_dir = volumes, pods_dir

    def sandbox(self, pod: Object) -> SandboxConfig:
        """RuntimeFailure where the pod asks for what no Linux has."""
        here = self._surface
        try:
            hostname = naming.sandbox_hostname(pod, here.cluster_domain)
        except ValueError as error:
            raise RuntimeFailure(str(error)) from error
        dns = naming.dns(pod, here.cluster_dns, here.cluster_domain, here.dns)
        return sandbox_config(pod, hostname, dns)

    async def container(self, pod: Object, spec: Object, attempt: int, pod_ip: str) -> ContainerConfig:
        """CannotConfigure or NotMounted where something is missing."""
        await self._volumes.prepare(pod)
        values = await self._environment(pod, spec, pod_ip)
        found = mounts(self._volumes, pod, spec, values) if self._surface.has_files else []
        if self._surface.has_files:
            found += hosts_mount(spec, self._hosts_file(pod, pod_ip))
        memory = quantity.parse(self._surface.allocatable.get("memory", "0")).value()
        return container_config(pod, spec, attempt, values, found, memory)

    async def _environment(self, pod: Object, spec: Object, pod_ip: str) -> dict[str, str]:
        space = meta.namespace(pod)
        try:
            found = {each: await self._objects.get(space, each) for each in references(spec)}
        except (StatusError, ConnectionFailed) as error:
            raise CannotConfigure(str(error)) from error
        if not self._services.has_synced and not is_static(pod):
            await self._services.wait_synced()
        links = service_links(pod, self._services.store.list())
        here = self._surface
        return environment(pod, spec, found, links, Surroundings(here.ip, pod_ip, here.allocatable))

    def _hosts_file(self, pod: Object, pod_ip: str) -> Path:
        of_node = ""
        if pod["spec"].get("hostNetwork"):
            of_node = _read("/etc/hosts")
        path = self._pods_dir / meta.uid(pod) / HOSTS_FILE
        path.parent.mkdir(parents=True, exist_ok=True)
        # Written over, not replaced: containers have this very file.
        path.write_text(naming.hosts_file(pod, pod_ip, self._surface.cluster_domain, of_node))
        path.chmod(0o644)
        return path

    def remove(self, pod_uid: str) -> None:
        """The pod is gone."""
        (self._pods_dir / pod_uid / HOSTS_FILE).unlink(missing_ok=True)


def node_dns() -> DNSConfig:
    """What stands in this machine's resolv.conf."""
    return naming.parse_resolv_conf(_read("/etc/resolv.conf"))


def _read(path: str) -> str:
    return Path(path).read_text() if Path(path).exists() else ""
