"""Core: what no ordinary pod needs: the host's namespaces, paths and ports, privileges, masks taken off.

After: k8s staging/src/k8s.io/pod-security-admission/policy/check_*.go with LevelBaseline
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from apiserver.pod_security.pod import Check, Part, Pod, Violation, context, counted, distinct, plural, quoted
from kube.api import errors, meta

HOST_NAMESPACES = ("hostNetwork", "hostPID", "hostIPC")
DEFAULT_CAPABILITIES = (
    *("AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE"),
    *("SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"),
)
PROFILE_TYPES = ("RuntimeDefault", "Localhost")
APP_ARMOR_ANNOTATION = "container.apparmor.security.beta.kubernetes.io/"
SECCOMP_POD_ANNOTATION = "seccomp.security.alpha.kubernetes.io/pod"
SECCOMP_ANNOTATION = "container.seccomp.security.alpha.kubernetes.io/"

SELINUX_TYPES = ("", "container_t", "container_init_t", "container_kvm_t")
SELINUX_TYPES_31 = (*SELINUX_TYPES, "container_engine_t")

SYSCTLS = (
    *("kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.tcp_syncookies"),
    *("net.ipv4.ping_group_range", "net.ipv4.ip_unprivileged_port_start"),
)
SYSCTLS_27 = (*SYSCTLS, "net.ipv4.ip_local_reserved_ports")
SYSCTLS_29 = (
    *SYSCTLS_27,
    *("net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl"),
    "net.ipv4.tcp_keepalive_probes",
)
SYSCTLS_32 = (*SYSCTLS_29, "net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem")

PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
HOOKS = ("postStart", "preStop")


def app_armor_profile(pod: Pod) -> Violation | None:
    """The runtime's profile is not switched off, neither by a field nor by the annotation of old."""
    types: list[str] = []

    def is_bad(part: Part) -> bool:
        return _is_other_profile(part, "appArmorProfile", types)

    setters = pod.setters(is_bad)
    values = sorted(set(types))
    noted = sorted(
        f"{key}={errors.quote(value)}"
        for key, value in pod.annotations.items()
        if key.startswith(APP_ARMOR_ANNOTATION)
        and value not in ("", "runtime/default")
        and not value.startswith("localhost/")
    )
    if noted:
        setters.append(plural("annotation", noted))
        values += noted
    if not setters:
        return None
    return Violation(
        plural("forbidden AppArmor profile", values),
        f"{' and '.join(setters)} must not set AppArmor profile type to {quoted(values)}",
    )


def _is_other_profile(part: Part, field: str, found: list[str]) -> bool:
    """True for a profile that is neither the runtime's nor one of the node's own; its type is found."""
    profile = context(part, field)
    if profile is None or profile.get("type") in PROFILE_TYPES:
        return False
    found.append(profile.get("type") or "")
    return True


def capabilities(pod: Pod) -> Violation | None:
    """Nothing is added to what container runtimes give by themselves."""
    added: list[str] = []

    def is_bad(container: Part) -> bool:
        more = [each for each in _added(container) if each not in DEFAULT_CAPABILITIES]
        added.extend(more)
        return bool(more)

    if not (bad := pod.named(is_bad)):
        return None
    return Violation("non-default capabilities", must_not_add(bad, added))


def _added(container: Part) -> list[str]:
    return context(container, "capabilities", "add") or []


def must_not_add(containers: list[str], added: list[str]) -> str:
    """Who adds which capabilities."""
    return (
        f"{counted('container', containers)} must not include {distinct(added)} "
        "in securityContext.capabilities.add"
    )


def host_namespaces(pod: Pod) -> Violation | None:
    """The pod has its own network, processes and shared memory."""
    bad = [f"{each}=true" for each in HOST_NAMESPACES if pod.spec.get(each)]
    return Violation("host namespaces", ", ".join(bad)) if bad else None


def host_path_volumes(pod: Pod) -> Violation | None:
    """The node's files are not the pod's."""
    bad = [each["name"] for each in pod.spec.get("volumes") or () if each.get("hostPath") is not None]
    return Violation("hostPath volumes", counted("volume", bad)) if bad else None


def host_ports(pod: Pod) -> Violation | None:
    """Nor are the node's ports."""
    used: list[str] = []

    def is_bad(container: Part) -> bool:
        ports = [str(each["hostPort"]) for each in container.get("ports") or () if each.get("hostPort")]
        used.extend(ports)
        return bool(ports)

    if not (bad := pod.named(is_bad)):
        return None
    ports = sorted(set(used))
    return Violation(
        "hostPort", f"{counted('container', bad)} {_use(bad)} {plural('hostPort', ports)} {', '.join(ports)}"
    )


def _use(things: Collection[object]) -> str:
    return "uses" if len(things) == 1 else "use"


def hosts_of_probes(pod: Pod) -> Violation | None:
    """The kubelet asks the pod and nobody else."""
    named: list[str] = []

    def is_bad(container: Part) -> bool:
        hosts = list(_hosts(container))
        named.extend(hosts)
        return bool(hosts)

    if not (bad := sorted(set(pod.named(is_bad)))):
        return None
    hosts = sorted(set(named))
    return Violation(
        "probe or lifecycle host",
        f"{counted('container', bad)} {_use(bad)} {counted('probe or lifecycle host', hosts)}",
    )


def _hosts(container: Part) -> Iterator[str]:
    handlers = [container.get(each) for each in PROBES]
    handlers += [meta.get(container, "lifecycle", each) for each in HOOKS]
    for handler in handlers:
        for way in ("httpGet", "tcpSocket"):
            if host := meta.get(handler or {}, way, "host"):
                yield host


def privileged(pod: Pod) -> Violation | None:
    """No container is as free as the node itself."""
    bad = pod.named(lambda container: context(container, "privileged"))
    if not bad:
        return None
    return Violation(
        "privileged", f"{counted('container', bad)} must not set securityContext.privileged=true"
    )


def proc_mount(pod: Pod) -> Violation | None:
    """The masks of /proc stay on."""
    types: list[str] = []

    def is_bad(container: Part) -> bool:
        mount = context(container, "procMount")
        if mount in (None, "Default"):
            return False
        types.append(mount)
        return True

    if not (bad := pod.named(is_bad)):
        return None
    detail = f"{counted('container', bad)} must not set securityContext.procMount to {distinct(types)}"
    return Violation("procMount", detail)


def selinux_options(allowed: Collection[str]) -> Check:
    """Nobody takes another user or role, nor a type that is not among these."""

    def check(pod: Pod) -> Violation | None:
        types: list[str] = []
        said: list[str] = []

        def is_bad(part: Part) -> bool:
            options = context(part, "seLinuxOptions") or {}
            kind = options.get("type") or ""
            types.extend([kind] if kind not in allowed else [])
            parts = [each for each in ("user", "role") if options.get(each)]
            said.extend(parts)
            return kind not in allowed or bool(parts)

        if not (setters := pod.setters(is_bad)):
            return None
        faults = [counted("type", sorted(set(types)))] if types else []
        faults += [f"{each} may not be set" for each in ("user", "role") if each in said]
        detail = f"{' and '.join(setters)} set forbidden securityContext.seLinuxOptions: {'; '.join(faults)}"
        return Violation("seLinuxOptions", detail)

    return check


def seccomp_annotations(pod: Pod) -> Violation | None:
    """Before there were fields, annotations named the profile."""
    keys = [SECCOMP_POD_ANNOTATION, *(f"{SECCOMP_ANNOTATION}{each['name']}" for each in pod.containers())]
    bad = sorted(
        {
            f"{key}={errors.quote(pod.annotations[key])}"
            for key in keys
            if key in pod.annotations and not _is_seccomp_profile(pod.annotations[key])
        }
    )
    if not bad:
        return None
    return Violation("seccompProfile", f"forbidden {plural('annotation', bad)} {', '.join(bad)}")


def _is_seccomp_profile(text: str) -> bool:
    return text in ("runtime/default", "docker/default") or text.startswith("localhost/")


def seccomp_profile(pod: Pod) -> Violation | None:
    """The filter of system calls is not switched off."""
    types: list[str] = []
    setters = pod.setters(lambda part: _is_other_profile(part, "seccompProfile", types))
    if not setters:
        return None
    detail = f"{' and '.join(setters)} must not set securityContext.seccompProfile.type to {distinct(types)}"
    return Violation("seccompProfile", detail)


def sysctls(allowed: Collection[str]) -> Check:
    """Only parameters of the kernel that are the pod's own, and harm no other."""

    def check(pod: Pod) -> Violation | None:
        set_here = [each["name"] for each in context(pod.spec, "sysctls") or ()]
        bad = [each for each in set_here if each not in allowed]
        return Violation("forbidden sysctls", ", ".join(bad)) if bad else None

    return check


def windows_host_process(pod: Pod) -> Violation | None:
    """Nor is one on Windows."""
    setters = pod.setters(lambda part: context(part, "windowsOptions", "hostProcess"))
    if not setters:
        return None
    detail = f"{' and '.join(setters)} must not set securityContext.windowsOptions.hostProcess=true"
    return Violation("hostProcess", detail)
