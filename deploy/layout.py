"""Core: where everything of a cluster lies: files in its data dir, ports above its base, addresses by number.

    <data dir>/  env  admin.kubeconfig  cluster.json
                 pki/        ca, etcd-ca, sa, and one certificate a process
                 kubeconfigs/  logs/  audit/  etcd-0/ ..  nodes/node1/ ..
                 run/        lock, state.json, supervisor.sock: only while it runs

Ports stand in decades above the base B (6440): the shared API at B+3, the metrics server at B+4, then API
servers at B+10, members' clients at B+20, peers at B+30, metrics at B+40, controller managers at B+50,
schedulers at B+60, the proxy's health at B+70. Cluster number c (0-15) owns the nodes 127.(16+c).0.N, the
pods 127.(224+c).N.0/24 of node N, the fleet's nodes 127.(16+c).1.1 and their pods 127.(112+4c).0.0/14, the
Services 127.(96+c).0.0/16, and their load balancers 127.(80+c).0.0/16. With `network: routed` all of these
begin with 10 instead of 127, and routes.py makes the machine answer for them.

Invariants: two clusters with different numbers and bases at least 80 apart share no address.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path

LOCAL = "127.0.0.1"
KUBELET_PORT = 10250
PORT_BASE_DEFAULT = 6440
PORT_SPAN = 80
CLUSTER_NUMBERS = range(16)
# The first byte of all addresses, by the topology's `network`.
NETWORKS = {"loopback": 127, "routed": 10}
# Of the addresses of Services, which one the name server has; the first is the API's. As kubeadm has it.
DNS_POSITION = 10


@dataclass(frozen=True, slots=True)
class Layout:
    """One cluster's places; every path is absolute."""

    data_dir: Path
    port_base: int
    number: int
    network: str = "loopback"

    # Files.
    @property
    def pki(self) -> Path:
        return self.data_dir / "pki"

    @property
    def run(self) -> Path:
        return run_dir(self.data_dir)

    @property
    def processes(self) -> Path:
        """What the first node's kubelet is told of the cluster's processes."""
        return self.run / "processes"

    @property
    def env(self) -> Path:
        return self.data_dir / "env"

    @property
    def admin_kubeconfig(self) -> Path:
        return self.data_dir / "admin.kubeconfig"

    def cert(self, name: str) -> Path:
        return self.pki / f"{name}.crt"

    def key(self, name: str) -> Path:
        return self.pki / f"{name}.key"

    def kubeconfig(self, component: str) -> Path:
        return self.data_dir / "kubeconfigs" / f"{component}.kubeconfig"

    def log(self, name: str) -> Path:
        return self.data_dir / "logs" / f"{name}.log"

    def audit_log(self, name: str) -> Path:
        """Not among the logs of processes: it is no log of theirs."""
        return self.data_dir / "audit" / f"{name}.log"

    def root_dir(self, node: str) -> Path:
        return self.data_dir / "nodes" / node

    # Ports.
    @property
    def shared_api_port(self) -> int:
        return self.port_base + 3

    @property
    def metrics_server_port(self) -> int:
        return self.port_base + 4

    def apiserver_port(self, index: int) -> int:
        return self.port_base + 10 + index

    def etcd_client_port(self, index: int) -> int:
        return self.port_base + 20 + index

    def etcd_peer_port(self, index: int) -> int:
        return self.port_base + 30 + index

    def etcd_metrics_port(self, index: int) -> int:
        return self.port_base + 40 + index

    def controller_manager_port(self, index: int) -> int:
        return self.port_base + 50 + index

    def scheduler_port(self, index: int) -> int:
        return self.port_base + 60 + index

    def proxy_port(self, index: int) -> int:
        return self.port_base + 70 + index

    # Addresses.
    @property
    def _first(self) -> int:
        return NETWORKS[self.network]

    def node_ip(self, position: int) -> str:
        """The address of the node at this position, counted from 1."""
        return f"{self._first}.{16 + self.number}.0.{position}"

    @property
    def node_port_networks(self) -> tuple[str, ...]:
        """Where node ports answer: on all nodes; the one loopback address belongs to cluster 0."""
        return (self.node_cidr, f"{LOCAL}/32") if self.number == 0 else (self.node_cidr,)

    @property
    def node_cidr(self) -> str:
        return f"{self._first}.{16 + self.number}.0.0/16"

    def pod_cidr(self, position: int) -> str:
        return f"{self._first}.{224 + self.number}.{position}.0/24"

    @property
    def fleet_ip(self) -> str:
        """The one address of all nodes of the fleet."""
        return f"{self._first}.{16 + self.number}.1.1"

    @property
    def fleet_pod_cidr(self) -> str:
        return f"{self._first}.{112 + 4 * self.number}.0.0/14"

    @property
    def service_cidr(self) -> str:
        return f"{self._first}.{96 + self.number}.0.0/16"

    @property
    def load_balancer_cidr(self) -> str:
        return f"{self._first}.{80 + self.number}.0.0/16"

    @property
    def first_service_ip(self) -> str:
        return f"{self._first}.{96 + self.number}.0.1"


def dns_ip(service_cidr: str) -> str:
    """The address of the name server, among those of Services."""
    return str(IPv4Network(service_cidr)[DNS_POSITION])


def run_dir(data_dir: Path) -> Path:
    """Where the files of a running cluster lie; known before its number and ports are."""
    return data_dir / "run"


def local_url(port: int) -> str:
    """A TLS address on the loopback."""
    return f"https://{LOCAL}:{port}"
