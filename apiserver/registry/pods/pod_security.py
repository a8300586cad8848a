"""Core: as whom containers run and what they may do; what each operating system knows of that.

After: k8s pkg/apis/core/validation/validation.go, ValidateSecurityContext, validatePodSpecSecurityContext,
validateWindows
"""

from __future__ import annotations

import re
from typing import Any

from apiserver.registry import formats
from apiserver.registry.strategy import Errors
from kube.api.errors import FieldError

PROFILES = ("Localhost", "RuntimeDefault", "Unconfined")
PROC_MOUNTS = ("Default", "Unmasked")
SYSCTL_BYTES_MAX = 253
SYSCTL_PART = "[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
SYSCTL = rf"({SYSCTL_PART}[\./])*{SYSCTL_PART}"
LOCALHOST_PROFILE_MAX = 4095
# Kernel settings that belong to a namespace, which a pod on the node's own has not.
NETWORK_SYSCTLS = ("net.", "net/")
IPC_SYSCTLS = (
    "kernel.shm",
    "kernel.msg",
    "kernel.sem",
    "fs.mqueue.",
    "kernel/shm",
    "kernel/msg",
    "fs/mqueue/",
)
NOT_ON_WINDOWS = "cannot be set for a windows pod"
POD_NOT_ON_WINDOWS = (
    "appArmorProfile",
    "seLinuxOptions",
    "seccompProfile",
    "fsGroup",
    "fsGroupChangePolicy",
    "sysctls",
    "runAsUser",
    "runAsGroup",
    "supplementalGroups",
    "supplementalGroupsPolicy",
    "seLinuxChangePolicy",
)
# A flag that is false is as good as none; the other two are a decision either way.
SPEC_NOT_ON_WINDOWS = (
    ("hostUsers", None),
    ("hostPID", False),
    ("hostIPC", False),
    ("shareProcessNamespace", None),
)
CONTAINER_NOT_ON_WINDOWS = (
    "appArmorProfile",
    "seLinuxOptions",
    "seccompProfile",
    "capabilities",
    "readOnlyRootFilesystem",
    "privileged",
    "allowPrivilegeEscalation",
    "procMount",
    "runAsUser",
    "runAsGroup",
)


def of_container(context: Any, path: str, *, host_users: bool) -> Errors:
    """What is wrong with a container's `securityContext`."""
    errors = _ids(context, path, "runAsUser", "runAsGroup")
    mount = context.get("procMount")
    errors += formats.optional_choice(mount, f"{path}.procMount", PROC_MOUNTS)
    if mount == "Unmasked" and host_users:
        text = "`hostUsers` must be false to use `Unmasked`"
        errors.append(FieldError.invalid(f"{path}.procMount", mount, text))
    errors += _seccomp(context.get("seccompProfile"), f"{path}.seccompProfile")
    if context.get("allowPrivilegeEscalation") is False:
        text = "cannot set `allowPrivilegeEscalation` to false and "
        if context.get("privileged"):
            errors.append(FieldError.invalid(path, context, f"{text}`privileged` to true"))
        if "CAP_SYS_ADMIN" in ((context.get("capabilities") or {}).get("add") or ()):
            errors.append(FieldError.invalid(path, context, f"{text}`capabilities.Add` CAP_SYS_ADMIN"))
    return errors + _app_armor(context.get("appArmorProfile"), f"{path}.appArmorProfile")


def _ids(context: Any, path: str, *fields: str) -> Errors:
    return [error for field in fields for error in formats.user_id(context.get(field), f"{path}.{field}")]


def of_pod(context: Any, spec: Any, path: str) -> Errors:
    """What is wrong with a pod's `securityContext`; some of what counts stands in the spec."""
    errors: Errors = []
    if context:
        errors += _ids(context, path, "fsGroup", "runAsUser", "runAsGroup")
        for index, group in enumerate(context.get("supplementalGroups") or ()):
            errors += formats.user_id(group, f"{path}.supplementalGroups[{index}]")
    if spec.get("shareProcessNamespace") and spec.get("hostPID"):
        text = "ShareProcessNamespace and HostPID cannot both be enabled"
        errors.append(FieldError.invalid(f"{path}.shareProcessNamespace", True, text))
    if not context:
        return errors
    errors += _sysctls(context.get("sysctls") or (), spec, f"{path}.sysctls")
    change = context.get("fsGroupChangePolicy")
    errors += formats.optional_choice(change, f"{path}.fsGroupChangePolicy", ("Always", "OnRootMismatch"))
    errors += _seccomp(context.get("seccompProfile"), f"{path}.seccompProfile")
    errors += _app_armor(context.get("appArmorProfile"), f"{path}.appArmorProfile")
    groups, linux = context.get("supplementalGroupsPolicy"), context.get("seLinuxChangePolicy")
    errors += formats.optional_choice(groups, f"{path}.supplementalGroupsPolicy", ("Merge", "Strict"))
    return errors + formats.optional_choice(
        linux, f"{path}.seLinuxChangePolicy", ("MountOption", "Recursive")
    )


def _seccomp(profile: Any, path: str) -> Errors:
    if profile is None:
        return []
    kind, local = profile.get("type") or "", profile.get("localhostProfile")
    errors: Errors = []
    if not kind:
        errors.append(FieldError.required(f"{path}.type", "type is required when seccompProfile is set"))
    elif kind not in PROFILES:
        errors.append(FieldError.not_supported(f"{path}.type", kind, PROFILES))
    at = f"{path}.localhostProfile"
    if kind == "Localhost" and local is None:
        errors.append(FieldError.required(at, "must be set when seccomp type is Localhost"))
    elif kind == "Localhost":
        errors += formats.relative_path(local, at)
    elif local is not None:
        errors.append(FieldError.invalid(at, profile, "can only be set when seccomp type is Localhost"))
    return errors


def _app_armor(profile: Any, path: str) -> Errors:
    if profile is None:
        return []
    kind, local, at = profile.get("type") or "", profile.get("localhostProfile"), f"{path}.localhostProfile"
    if not kind:
        return [FieldError.required(f"{path}.type", "type is required when appArmorProfile is set")]
    if kind not in PROFILES:
        return [FieldError.not_supported(f"{path}.type", kind, PROFILES)]
    if kind != "Localhost":
        text = "can only be set when AppArmor type is Localhost"
        return [] if local is None else [FieldError.invalid(at, local, text)]
    if not local:
        return [FieldError.required(at, "must be set when AppArmor type is Localhost")]
    errors: Errors = []
    if local.strip() != local:
        errors.append(FieldError.invalid(at, local, "must not be padded with whitespace"))
    if len(local) > LOCALHOST_PROFILE_MAX:
        errors.append(FieldError.too_long(at, LOCALHOST_PROFILE_MAX))
    return errors


def _sysctls(settings: Any, spec: Any, path: str) -> Errors:
    errors: Errors = []
    seen: list[str] = []
    for index, each in enumerate(settings):
        name, at = each.get("name") or "", f"{path}[{index}].name"
        if not name:
            errors.append(FieldError.required(at))
        elif len(name) > SYSCTL_BYTES_MAX or not re.fullmatch(SYSCTL, name):
            text = f"must have at most {SYSCTL_BYTES_MAX} characters and match regex ^{SYSCTL}$"
            errors.append(FieldError.invalid(at, name, text))
        elif name in seen:
            errors.append(FieldError.duplicate(at, name))
        for field, prefixes in (("hostNetwork", NETWORK_SYSCTLS), ("hostIPC", IPC_SYSCTLS)):
            if spec.get(field) and name.startswith(prefixes):
                text = f"may not be specified when '{field}' is true"
                errors.append(FieldError.invalid(at, name, text))
        seen.append(name)
    return errors


def host_users(spec: Any, path: str) -> Errors:
    """Users of their own do not go with the node's other namespaces; the odd spelling is Kubernetes' own."""
    if spec.get("hostUsers") is not False:
        return []
    fields = (("hostNetwork", "hostNetwork"), ("hostPID", "HostPID"), ("hostIPC", "HostIPC"))
    text = "when `pod.Spec.HostUsers` is false"
    return [FieldError.forbidden(f"{path}.{shown}", text) for field, shown in fields if spec.get(field)]


def operating_system(spec: Any, path: str) -> Errors:
    """What is wrong with `os`, and what does not exist on it."""
    name = (spec["os"] or {}).get("name") or ""
    if not name:
        return [FieldError.required(f"{path}.os.name", "cannot be empty")]
    if name not in ("linux", "windows"):
        return [FieldError.not_supported(f"{path}.os", name, ("linux", "windows"))]
    return _on_linux(spec, path) if name == "linux" else _on_windows(spec, path)


def _contexts(spec: Any, path: str) -> list[tuple[Any, str]]:
    """Every container's security context, and where it stands."""
    return [
        (each["securityContext"], f"{path}.{field}[{index}].securityContext")
        for field in ("initContainers", "containers", "ephemeralContainers")
        for index, each in enumerate(spec.get(field) or ())
        if each.get("securityContext")
    ]


def _on_linux(spec: Any, path: str) -> Errors:
    contexts = [(spec.get("securityContext") or {}, f"{path}.securityContext"), *_contexts(spec, path)]
    text = "windows options cannot be set for a linux pod"
    return [
        FieldError.forbidden(f"{at}.windowsOptions", text)
        for context, at in contexts
        if "windowsOptions" in context
    ]


def _on_windows(spec: Any, path: str) -> Errors:
    context = spec.get("securityContext") or {}
    fields = [f"{path}.securityContext.{field}" for field in POD_NOT_ON_WINDOWS if field in context]
    fields += [f"{path}.{field}" for field, none in SPEC_NOT_ON_WINDOWS if spec.get(field, none) is not none]
    for context, at in _contexts(spec, path):
        fields += [f"{at}.{field}" for field in CONTAINER_NOT_ON_WINDOWS if field in context]
    return [FieldError.forbidden(field, NOT_ON_WINDOWS) for field in fields]
