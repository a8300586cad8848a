"""Core: what the runtime is asked for, from a pod's spec: its sandbox, and each of its containers.

After: k8s pkg/kubelet/kuberuntime/kuberuntime_sandbox.go, generatePodSandboxConfig;
kuberuntime_container.go, generateContainerConfig; pkg/securitycontext/util.go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kube.api import meta
from kube.api.meta import Object
from kubelet.pod.environment import expanded_all
from kubelet.pod.failures import CannotConfigure
from kubelet.pod.limits import resources
from kubelet.runtime.interface import ContainerConfig, DNSConfig, Mount, SandboxConfig, SecurityContext


def sandbox_config(pod: Object, hostname: str, dns: DNSConfig | None) -> SandboxConfig:
    """The pod's place."""
    spec, on_host = pod["spec"], bool(pod["spec"].get("hostNetwork"))
    context = spec.get("securityContext") or {}
    return SandboxConfig(
        pod_uid=meta.uid(pod),
        namespace=meta.namespace(pod),
        name=meta.name(pod),
        host_network=on_host,
        annotations=meta.annotations(pod),
        labels=meta.labels(pod),
        hostname=hostname,
        dns=dns,
        host_ports=() if on_host else _host_ports(spec),
        host_pid=bool(spec.get("hostPID")),
        host_ipc=bool(spec.get("hostIPC")),
        share_process_namespace=bool(spec.get("shareProcessNamespace")),
        sysctls={each["name"]: each["value"] for each in context.get("sysctls") or ()},
        node_name=spec.get("nodeName") or "",
    )


def _host_ports(spec: Object) -> list[tuple[str, int, int, str]]:
    ports = [port for container in spec["containers"] for port in container.get("ports") or ()]
    return [
        (port.get("hostIP") or "", port["hostPort"], port["containerPort"], port.get("protocol") or "TCP")
        for port in ports
        if port.get("hostPort")
    ]


def container_config(
    pod: Object,
    container: Object,
    attempt: int,
    environment: Mapping[str, str],
    mounts: Sequence[Mount],
    memory_bytes: int,
) -> ContainerConfig:
    """One of its containers; memory_bytes: the node's."""
    ports = [each for each in container.get("ports") or () if each.get("protocol") != "UDP"]
    return ContainerConfig(
        name=container["name"],
        attempt=attempt,
        image=container["image"],
        command=expanded_all(container.get("command") or (), environment),
        args=expanded_all(container.get("args") or (), environment),
        ports=[port["containerPort"] for port in ports],
        environment=environment,
        working_dir=container.get("workingDir") or "",
        mounts=mounts,
        resources=resources(pod, container, memory_bytes),
        security=security(pod, container),
        stdin=bool(container.get("stdin")),
        stdin_once=bool(container.get("stdinOnce")),
        is_terminal=bool(container.get("tty")),
    )


def security(pod: Object, container: Object) -> SecurityContext:
    """The container's words over the pod's; CannotConfigure where they contradict each other."""
    of_pod = pod["spec"].get("securityContext") or {}
    context = {**of_pod, **(container.get("securityContext") or {})}
    user = context.get("runAsUser")
    if context.get("runAsNonRoot") and user == 0:
        who = f"{meta.name(pod)}_{meta.namespace(pod)}({meta.uid(pod)})"
        name = container["name"]
        text = f'container\'s runAsUser breaks non-root policy (pod: "{who}", container: {name})'
        raise CannotConfigure(text)
    groups = [*(of_pod.get("supplementalGroups") or ()), *_fs_group(of_pod)]
    capabilities = context.get("capabilities") or {}
    return SecurityContext(
        run_as_user=user,
        run_as_group=context.get("runAsGroup"),
        supplemental_groups=groups,
        privileged=bool(context.get("privileged")),
        read_only_rootfs=bool(context.get("readOnlyRootFilesystem")),
        no_new_privileges=context.get("allowPrivilegeEscalation") is False,
        add_capabilities=list(capabilities.get("add") or ()),
        drop_capabilities=list(capabilities.get("drop") or ()),
    )


def _fs_group(context: Object) -> list[int]:
    return [context["fsGroup"]] if context.get("fsGroup") is not None else []
