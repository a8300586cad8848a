"""Core: what the engine is told to make, from what CRI says.

The sandbox has the pod's network; containers join it, and with it the host's name. A limit of memory is one
of memory and swap together: what does not fit is killed, as Kubernetes promises.
After: k8s v1.23 pkg/kubelet/dockershim/{docker_sandbox,docker_container,helpers_linux}.go.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from kubelet.runtime.docker.labels import HOST_IPC, HOST_PID, PROCESSES
from kubelet.runtime.interface import ContainerConfig, Mount, Resources, SandboxConfig, SecurityContext

Body = dict[str, Any]

# The sandbox weighs nothing, and is the last to be killed for want of memory.
SANDBOX_CPU_SHARES, SANDBOX_OOM_SCORE_ADJ = 2, -998
# The kubelet turns logs over by itself; the engine keeps what a kubelet that is away must catch up with. The
# files are large because the engine loses lines for a follower that is slower than they are turned over.
LOG_CONFIG = {"Type": "json-file", "Config": {"max-size": "100m", "max-file": "2"}}


def sandbox(config: SandboxConfig, image: str, network: str, node_ip: str, labels: Mapping[str, str]) -> Body:
    """The container that holds a pod's place. A host port without an address is the node's own."""
    exposed = {f"{port}/{protocol.lower()}": (host, node) for host, node, port, protocol in config.host_ports}
    host: Body = {
        "NetworkMode": "host" if config.host_network else network,
        "IpcMode": "host" if config.host_ipc else "shareable",
        "PidMode": "host" if config.host_pid else "",
        "CpuShares": SANDBOX_CPU_SHARES,
        "OomScoreAdj": SANDBOX_OOM_SCORE_ADJ,
        "Sysctls": dict(config.sysctls),
        "SecurityOpt": ["no-new-privileges"],
        "LogConfig": {"Type": "none"},
    }
    if not config.host_network:
        host["PortBindings"] = {
            key: [{"HostIp": address or node_ip, "HostPort": str(port)}]
            for key, (address, port) in exposed.items()
        }
    # Nothing in it has to be told: an engine that ends does not wait for it.
    body: Body = {
        "Image": image,
        "Labels": dict(labels),
        "StopSignal": "SIGKILL",
        "ExposedPorts": {key: {} for key in exposed},
    }
    return {**body, "Hostname": "" if config.host_network else config.hostname, "HostConfig": host}


def container(
    config: ContainerConfig,
    sandbox_id: str,
    shares: Collection[str],
    mounts: Sequence[Mount],
    labels: Mapping[str, str],
) -> Body:
    """A container of the pod. shares: what the pod shares, as labels.py has it; mounts: those of all."""
    place = f"container:{sandbox_id}"
    host: Body = {
        "NetworkMode": place,
        "IpcMode": "host" if HOST_IPC in shares else place,
        "PidMode": "host" if HOST_PID in shares else place if PROCESSES in shares else "",
        "Mounts": [_mount(each) for each in (*mounts, *config.mounts)],
        "LogConfig": LOG_CONFIG,
        **limits(config.resources),
        "OomScoreAdj": config.resources.oom_score_adj,
        **_security(config.security),
    }
    body: Body = {
        "Image": config.image,
        "Labels": dict(labels),
        "Env": [f"{name}={value}" for name, value in config.environment.items()],
        "WorkingDir": config.working_dir,
        "User": _user(config.security),
        "OpenStdin": config.stdin,
        "StdinOnce": config.stdin_once,
        "Tty": config.is_terminal,
        "Healthcheck": {"Test": ["NONE"]},
        "HostConfig": host,
    }
    # Left out, the image's own holds; an entry point of ours also hides the image's arguments.
    body |= {"Entrypoint": list(config.command)} if config.command else {}
    return body | ({"Cmd": list(config.args)} if config.args else {})


def limits(resources: Resources) -> Body:
    """Those of them that a running container can change."""
    return {
        "CpuShares": resources.cpu_shares,
        "CpuQuota": resources.cpu_quota,
        "CpuPeriod": resources.cpu_period if resources.cpu_quota else 0,
        "Memory": resources.memory_limit_bytes,
        "MemorySwap": resources.memory_limit_bytes,
    }


def _security(security: SecurityContext) -> Body:
    return {
        "Privileged": security.privileged,
        "ReadonlyRootfs": security.read_only_rootfs,
        "CapAdd": list(security.add_capabilities),
        "CapDrop": list(security.drop_capabilities),
        "GroupAdd": [str(group) for group in security.supplemental_groups],
        "SecurityOpt": ["no-new-privileges"] if security.no_new_privileges else [],
    }


def _user(security: SecurityContext) -> str:
    """Empty: as the image says; a group alone is root's."""
    if security.run_as_user is None and security.run_as_group is None:
        return ""
    user = str(security.run_as_user or 0)
    return user if security.run_as_group is None else f"{user}:{security.run_as_group}"


def _mount(mount: Mount) -> Body:
    return {
        "Type": "bind",
        "Source": mount.host_path,
        "Target": mount.container_path,
        "ReadOnly": mount.read_only,
    }
