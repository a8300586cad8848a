"""Core: what may be run or asked in a container: probes, and hooks at its start and end.

After: k8s pkg/apis/core/validation/validation.go, validateProbe, validateLifecycle, validateHandler
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from apiserver.registry import formats
from apiserver.registry.strategy import Errors
from kube.api.errors import FieldError

PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
PROBE_HANDLERS = ("exec", "httpGet", "tcpSocket", "grpc")
HOOK_HANDLERS = ("exec", "httpGet", "tcpSocket", "sleep")
# What may end a container, by its operating system.
LINUX = (
    *("ABRT", "ALRM", "BUS", "CHLD", "CLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "IOT", "KILL", "PIPE"),
    *("POLL", "PROF", "PWR", "QUIT", "RTMAX", "RTMIN", "SEGV", "STKFLT", "STOP", "SYS", "TERM", "TRAP"),
    *("TSTP", "TTIN", "TTOU", "URG", "USR1", "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ"),
    *(f"RTMIN+{each}" for each in range(1, 16)),
    *(f"RTMAX-{each}" for each in range(1, 15)),
)
SIGNALS = {
    "linux": tuple(sorted(f"SIG{each}" for each in LINUX)),
    "windows": ("SIGKILL", "SIGTERM"),
}
COUNTS = ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold")


def check_all(container: Any, path: str, grace: int | None, system: str) -> Errors:
    """Everything that is run in a container which stays: hooks, then probes."""
    errors: Errors = []
    if "lifecycle" in container:
        errors += _lifecycle(container["lifecycle"], f"{path}.lifecycle", grace)
        if "stopSignal" in container["lifecycle"]:
            errors += _signal(container["lifecycle"]["stopSignal"], f"{path}.lifecycle.stopSignal", system)
    for name in PROBES:
        if name in container:
            errors += _probe(container[name], f"{path}.{name}", name)
    return errors


def _lifecycle(lifecycle: Any, path: str, grace: int | None) -> Errors:
    errors: Errors = []
    for hook in ("postStart", "preStop"):
        if hook in lifecycle:
            errors += _handler(lifecycle[hook], f"{path}.{hook}", HOOK_HANDLERS, grace)
    return errors


def _signal(signal: str, path: str, system: str) -> Errors:
    if not system:
        text = "may not be set for containers with empty `spec.os.name`"
        return [FieldError.forbidden(path, text)]
    return formats.choice(signal, path, SIGNALS[system]) if system in SIGNALS else []


def _probe(probe: Any, path: str, name: str) -> Errors:
    errors = _handler(probe, path, PROBE_HANDLERS)
    for field in COUNTS:
        if (value := probe.get(field, 0)) < 0:
            errors += formats.non_negative(value, f"{path}.{field}")
    grace = probe.get("terminationGracePeriodSeconds")
    if grace is not None:
        at = f"{path}.terminationGracePeriodSeconds"
        if grace <= 0:
            errors.append(FieldError.invalid(at, grace, "must be greater than 0"))
        if name == "readinessProbe":
            errors.append(FieldError.invalid(at, grace, "must not be set for readinessProbes"))
    times = probe.get("successThreshold", 0)
    if name != "readinessProbe" and times != 1:
        errors.append(FieldError.invalid(f"{path}.successThreshold", times, "must be 1"))
    return errors


def _handler(handler: Any, path: str, kinds: Sequence[str], grace: int | None = None) -> Errors:
    present = [kind for kind in kinds if kind in handler]
    if not present:
        return [FieldError.required(path, "must specify a handler type")]
    errors = _action(present[0], handler[present[0]], f"{path}.{present[0]}", grace)
    text = "may not specify more than 1 handler type"
    return errors + [FieldError.forbidden(f"{path}.{extra}", text) for extra in present[1:]]


def _action(kind: str, action: Any, path: str, grace: int | None) -> Errors:
    if kind == "exec":
        return [] if action.get("command") else [FieldError.required(f"{path}.command")]
    if kind == "httpGet":
        return _http(action, path)
    if kind == "sleep":
        return _sleep(action.get("seconds") or 0, path, grace)
    return formats.port(action.get("port") or 0, f"{path}.port")


def _http(action: Any, path: str) -> Errors:
    errors: Errors = []
    if not action.get("path"):
        errors.append(FieldError.required(f"{path}.path"))
    errors += formats.port(action.get("port", 0), f"{path}.port")
    scheme = action.get("scheme") or ""
    if scheme not in ("HTTP", "HTTPS"):
        errors.append(FieldError.not_supported(f"{path}.scheme", scheme, ("HTTP", "HTTPS")))
    for header in action.get("httpHeaders") or ():
        errors += formats.header_name(header.get("name") or "", f"{path}.httpHeaders")
    return errors


def _sleep(seconds: int, path: str, grace: int | None) -> Errors:
    """A grace period that is missing is refused elsewhere."""
    if grace is None or 0 <= seconds <= grace:
        return []
    text = f"must be non-negative and less than terminationGracePeriodSeconds ({grace})"
    return [FieldError.invalid(path, seconds, text)]
