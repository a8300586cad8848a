"""Core: what is written on each container, so that the engine is the one memory of what runs.

A kubelet that comes back knows its containers by their labels alone. The first ones have the names that
Kubernetes' own Docker runtime gave them, so that tools for those read ours. `root-dir` tells apart the nodes
that share an engine: two never have the same.
After: k8s v1.23 pkg/kubelet/dockershim/{naming,docker_container}.go.
"""

from __future__ import annotations

from kubelet.runtime.interface import ContainerConfig, Sandbox, SandboxConfig

POD_NAME, POD_NAMESPACE = "io.kubernetes.pod.name", "io.kubernetes.pod.namespace"
POD_UID = "io.kubernetes.pod.uid"
CONTAINER_NAME, SANDBOX_ID = "io.kubernetes.container.name", "io.kubernetes.sandbox.id"
TYPE = "io.kubernetes.docker.type"
SANDBOX, CONTAINER = "podsandbox", "container"
ATTEMPT, SHARES = "kubelite.attempt", "kubelite.shares"
NODE, ROOT_DIR = "kubelite.node", "kubelite.root-dir"

# What a pod's containers may share with the host, or with one another.
HOST_NETWORK, HOST_PID, HOST_IPC, PROCESSES = "host-network", "host-pid", "host-ipc", "processes"

Labels = dict[str, str]


def of_sandbox(config: SandboxConfig, attempt: int) -> Labels:
    """Those of a sandbox; the pod's own go with them."""
    return {
        **config.labels,
        TYPE: SANDBOX,
        POD_NAME: config.name,
        POD_NAMESPACE: config.namespace,
        POD_UID: config.pod_uid,
        CONTAINER_NAME: "POD",
        ATTEMPT: str(attempt),
        SHARES: " ".join(shares(config)),
    }


def shares(config: SandboxConfig) -> list[str]:
    """What is shared, as the sandbox remembers it."""
    said = {
        HOST_NETWORK: config.host_network,
        HOST_PID: config.host_pid,
        HOST_IPC: config.host_ipc,
        PROCESSES: config.share_process_namespace,
    }
    return [name for name, is_shared in said.items() if is_shared]


def of_container(config: ContainerConfig, sandbox: Sandbox) -> Labels:
    """Those of a container."""
    return {
        TYPE: CONTAINER,
        POD_NAME: sandbox.name,
        POD_NAMESPACE: sandbox.namespace,
        POD_UID: sandbox.pod_uid,
        CONTAINER_NAME: config.name,
        SANDBOX_ID: sandbox.id,
        ATTEMPT: str(config.attempt),
    }


def name(labels: Labels) -> str:
    """The container's name, as `docker ps` shows it: one of a kind on the engine."""
    parts = (CONTAINER_NAME, POD_NAME, POD_NAMESPACE, POD_UID, ATTEMPT)
    return "_".join(["k8s", *(labels[part] for part in parts)])
