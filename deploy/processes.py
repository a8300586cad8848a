"""Core: the command line of every process of a cluster, from its topology and layout.

This is the one place that knows what a component must be told: read it to see how the processes find one
another. They are listed in the order of starting; stopping goes the other way, stage by stage.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from deploy.layout import KUBELET_PORT, LOCAL, Layout, dns_ip, local_url
from deploy.topology import FLEET, Flags, Topology

NO_FLAGS: Flags = {}
# The certificate, and the name in it, of who may say for whom it asks.
FRONT_PROXY = "front-proxy-client"
METRICS_SERVER = "metrics-server"
STAGE_STORE, STAGE_API, STAGE_REST = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Process:
    """One process: `module` is what `python -m` would run; `listens` are the (host, port) pairs it binds.

    is_program: `module` is the name of a program on the PATH instead.
    shared: where several processes accept connections from one queue (nursery.py has the socket).
    """

    name: str
    module: str
    args: tuple[str, ...]
    listens: tuple[tuple[str, int], ...]
    health_url: str
    stage: int
    is_program: bool = False
    shared: tuple[str, int] | None = None


def processes(topology: Topology, layout: Layout) -> list[Process]:
    """All processes, in the order of starting."""
    return [
        *(_etcd(topology, layout, index) for index in range(topology.etcd)),
        *(_apiserver(topology, layout, index) for index in range(topology.apiserver)),
        *(_controller_manager(topology, layout, index) for index in range(topology.controller_manager)),
        *(_scheduler(topology, layout, index) for index in range(topology.scheduler)),
        *(
            _kubelet(topology, layout, position, node)
            for position, node in enumerate(topology.nodes, start=1)
        ),
        *([_fleet(topology, layout)] if topology.fleet else []),
        *(_proxy(topology, layout, index) for index in range(topology.proxy)),
        *([_metrics_server(topology, layout)] if topology.metrics_server else []),
    ]


def etcd_client_urls(topology: Topology, layout: Layout) -> list[str]:
    """Where clients reach the store's members."""
    return [local_url(layout.etcd_client_port(index)) for index in range(topology.etcd)]


def apiserver_urls(topology: Topology, layout: Layout) -> list[str]:
    """Each API server's own address; our components fail over between these."""
    return [local_url(layout.apiserver_port(index)) for index in range(topology.apiserver)]


def dns_address(topology: Topology, layout: Layout) -> str | None:
    """Where the cluster's names are answered; without a proxy there is nobody to do it."""
    if not topology.proxy:
        return None
    own = topology.flags.get("apiserver", NO_FLAGS)
    return dns_ip(own.get("service-cluster-ip-range", layout.service_cidr))


def _etcd(topology: Topology, layout: Layout, index: int) -> Process:
    name = f"etcd-{index}"
    client, peer = layout.etcd_client_port(index), layout.etcd_peer_port(index)
    metrics = layout.etcd_metrics_port(index)
    members = (f"etcd-{i}={local_url(layout.etcd_peer_port(i))}" for i in range(topology.etcd))
    cert, key, ca = layout.cert(name), layout.key(name), layout.cert("etcd-ca")
    flags = {
        "name": name,
        "data-dir": layout.data_dir / name,
        "listen-client-urls": local_url(client),
        "advertise-client-urls": local_url(client),
        "listen-peer-urls": local_url(peer),
        "initial-advertise-peer-urls": local_url(peer),
        "initial-cluster": ",".join(members),
        "initial-cluster-token": f"kubelite-{layout.port_base}",
        "initial-cluster-state": "new",
        "listen-metrics-urls": local_url(metrics),
        "cert-file": cert,
        "key-file": key,
        "trusted-ca-file": ca,
        "peer-cert-file": cert,
        "peer-key-file": key,
        "peer-trusted-ca-file": ca,
    }
    is_ours = topology.store == "etcdlite"
    switches = ["--client-cert-auth", "--peer-client-cert-auth"]
    switches += ["--enable-fault-injection"] if is_ours else []
    listens = ((LOCAL, client), (LOCAL, peer), (LOCAL, metrics))
    args = (*_args(flags, topology, "etcd"), *switches)
    return Process(
        name, topology.store, args, listens, local_url(metrics), STAGE_STORE, is_program=not is_ours
    )


def _apiserver(topology: Topology, layout: Layout, index: int) -> Process:
    name, port = f"apiserver-{index}", layout.apiserver_port(index)
    flags = {
        "etcd-servers": ",".join(etcd_client_urls(topology, layout)),
        "etcd-cafile": layout.cert("etcd-ca"),
        "etcd-certfile": layout.cert("apiserver-etcd-client"),
        "etcd-keyfile": layout.key("apiserver-etcd-client"),
        "bind-address": LOCAL,
        "secure-port": port,
        "shared-port": layout.shared_api_port,
        "tls-cert-file": layout.cert("apiserver"),
        "tls-private-key-file": layout.key("apiserver"),
        "client-ca-file": layout.cert("ca"),
        "service-cluster-ip-range": layout.service_cidr,
        "service-account-signing-key-file": layout.key("sa"),
        "service-account-issuer": "https://kubernetes.default.svc.cluster.local",
        "kubelet-client-certificate": layout.cert("apiserver-kubelet-client"),
        "kubelet-client-key": layout.key("apiserver-kubelet-client"),
        "kubelet-certificate-authority": layout.cert("ca"),
        "requestheader-client-ca-file": layout.cert("front-proxy-ca"),
        "requestheader-allowed-names": FRONT_PROXY,
        "proxy-client-cert-file": layout.cert(FRONT_PROXY),
        "proxy-client-key-file": layout.key(FRONT_PROXY),
    }
    if "audit-policy-file" in topology.flags.get("apiserver", NO_FLAGS):
        flags["audit-log-path"] = layout.audit_log(name)
    # Every API server shares the shared port, so only its own one must be free.
    listens = ((LOCAL, port), *(((LOCAL, layout.shared_api_port),) if index == 0 else ()))
    args = _args(flags, topology, "apiserver")
    shared = (LOCAL, layout.shared_api_port)
    return Process(name, "apiserver", args, listens, local_url(port), STAGE_API, shared=shared)


def _controller_manager(topology: Topology, layout: Layout, index: int) -> Process:
    name, port = f"controller-manager-{index}", layout.controller_manager_port(index)
    flags = {
        "kubeconfig": layout.kubeconfig("controller-manager"),
        **_serving(layout, "controller-manager", port),
        "root-ca-file": layout.cert("ca"),
        "host-path-provisioner-dir": layout.data_dir / "volumes",
        "load-balancer-ip-range": layout.load_balancer_cidr,
        "service-account-private-key-file": layout.key("sa"),
        "cluster-signing-cert-file": layout.cert("ca"),
        "cluster-signing-key-file": layout.key("ca"),
    }
    switches = ("--use-service-account-credentials", _leader_elect(topology.controller_manager))
    args = (*_args(flags, topology, "controller-manager"), *switches)
    return Process(name, "controllers", args, ((LOCAL, port),), local_url(port), STAGE_REST)


def _scheduler(topology: Topology, layout: Layout, index: int) -> Process:
    name, port = f"scheduler-{index}", layout.scheduler_port(index)
    flags = {"kubeconfig": layout.kubeconfig("scheduler"), **_serving(layout, "scheduler", port)}
    args = (*_args(flags, topology, "scheduler"), _leader_elect(topology.scheduler))
    return Process(name, "scheduler", args, ((LOCAL, port),), local_url(port), STAGE_REST)


def _kubelet(topology: Topology, layout: Layout, position: int, node: str) -> Process:
    name, address = f"kubelet-{node}", layout.node_ip(position)
    flags = {
        "kubeconfig": layout.kubeconfig(name),
        "hostname-override": node,
        "node-ip": address,
        "pod-cidr": layout.pod_cidr(position),
        "port": KUBELET_PORT,
        "root-dir": layout.root_dir(node),
        "tls-cert-file": layout.cert(name),
        "tls-private-key-file": layout.key(name),
        "client-ca-file": layout.cert("ca"),
        # The disk is the machine's, and full or not for reasons of its own.
        "eviction-hard": "memory.available<100Mi",
    }
    flags |= _cluster_dns(topology, layout)
    if position == 1:
        flags["process-path"] = layout.processes
    listens = ((address, KUBELET_PORT),)
    args = _args(flags, topology, "kubelet", topology.node_flags.get(node, {}))
    return Process(name, "kubelet", args, listens, f"https://{address}:{KUBELET_PORT}", STAGE_REST)


def _fleet(topology: Topology, layout: Layout) -> Process:
    address = layout.fleet_ip
    flags = {
        "kubeconfig": layout.kubeconfig(FLEET),
        "nodes": topology.fleet,
        "hostname-override": FLEET,
        "node-ip": address,
        "pod-cidr": layout.fleet_pod_cidr,
        "port": KUBELET_PORT,
        "root-dir": layout.root_dir(FLEET),
        "tls-cert-file": layout.cert(FLEET),
        "tls-private-key-file": layout.key(FLEET),
        "client-ca-file": layout.cert("ca"),
        **_cluster_dns(topology, layout),
    }
    args, url = _args(flags, topology, FLEET), f"https://{address}:{KUBELET_PORT}"
    return Process(FLEET, "kubelet", args, ((address, KUBELET_PORT),), url, STAGE_REST)


def _proxy(topology: Topology, layout: Layout, index: int) -> Process:
    name, port = f"proxy-{index}", layout.proxy_port(index)
    flags = {
        "kubeconfig": layout.kubeconfig("proxy"),
        **_serving(layout, "proxy", port),
        "nodeport-addresses": ",".join(layout.node_port_networks),
        **_cluster_dns(topology, layout),
    }
    return Process(
        name, "proxy", _args(flags, topology, "proxy"), ((LOCAL, port),), local_url(port), STAGE_REST
    )


def _metrics_server(topology: Topology, layout: Layout) -> Process:
    """It shows the API server and kubelets one certificate."""
    port = layout.metrics_server_port
    flags = {
        "kubeconfig": layout.kubeconfig(METRICS_SERVER),
        "bind-address": LOCAL,
        "secure-port": port,
        "tls-cert-file": layout.cert(METRICS_SERVER),
        "tls-private-key-file": layout.key(METRICS_SERVER),
        "ca-bundle-file": layout.cert("ca"),
    }
    args, url = _args(flags, topology, METRICS_SERVER), local_url(port)
    return Process(METRICS_SERVER, "metrics_server", args, ((LOCAL, port),), url, STAGE_REST)


def _cluster_dns(topology: Topology, layout: Layout) -> dict[str, object]:
    """The proxy answers there, and the kubelets' pods ask there."""
    address = dns_address(topology, layout)
    return {"cluster-dns": address} if address else {}


def _serving(layout: Layout, component: str, port: int) -> dict[str, object]:
    """Where a component serves its health and metrics, and as whom."""
    return {
        "bind-address": LOCAL,
        "secure-port": port,
        "tls-cert-file": layout.cert(component),
        "tls-private-key-file": layout.key(component),
        "client-ca-file": layout.cert("ca"),
    }


def _leader_elect(count: int) -> str:
    """One alone needs no election, and starts to work without waiting for a Lease."""
    return "--leader-elect" if count > 1 else "--no-leader-elect"


def _args(
    flags: Mapping[str, object], topology: Topology, component: str, own: Flags = NO_FLAGS
) -> tuple[str, ...]:
    """The flags as `--name=value`; what the topology says wins, and of that what it says of this one."""
    merged = {**flags, **topology.flags.get(component, {}), **own}
    return tuple(f"--{name}={value}" for name, value in merged.items())
