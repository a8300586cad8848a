"""Core: the Pod Security Standards as a table: which check belongs to which level, since which version.

    a level and a version -> the newest revision of each check that is not newer than the version
                          -> baseline before restricted, each by name, without those that others replace

Standards grow: a namespace that names a version is judged by the standard of that time, for ever. A version
that is still to come is judged by the newest.

Absent: checks that came after Kubernetes 1.36.
After: k8s staging/src/k8s.io/pod-security-admission/policy/{registry,checks}.go
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

from apiserver.pod_security import baseline, restricted
from apiserver.pod_security.levels import BASELINE, RESTRICTED, LevelVersion
from apiserver.pod_security.pod import Check, Pod, Violation


@dataclass(frozen=True, slots=True)
class Revision:
    """A check as it is since a minor version."""

    since: int
    check: Check


@dataclass(frozen=True, slots=True)
class Rule:
    """One check through the versions.

    revisions: from the oldest on; before the first there was no such check.
    replaces: the rule of baseline that need not be asked as well, once this one is there.
    """

    name: str
    level: str
    revisions: tuple[Revision, ...]
    replaces: str = ""

    def at(self, minor: int) -> Check | None:
        """The check in force in a version."""
        in_force = [each.check for each in self.revisions if each.since <= minor]
        return in_force[-1] if in_force else None


def unless(is_exempt: Callable[[Pod], bool], check: Check) -> Check:
    """A check that lets some pods be."""

    def relaxed(pod: Pod) -> Violation | None:
        return None if is_exempt(pod) else check(pod)

    return relaxed


def is_windows(pod: Pod) -> bool:
    """True where the fields in question have no meaning, and are refused by validation."""
    return (pod.spec.get("os") or {}).get("name") == "windows"


def has_user_namespace(pod: Pod) -> bool:
    """True where root is nobody outside the pod."""
    return pod.spec.get("hostUsers") is False


def _rule(name: str, level: str, *revisions: tuple[int, Check], replaces: str = "") -> Rule:
    return Rule(name, level, tuple(Revision(since, check) for since, check in revisions), replaces)


RULES = (
    _rule("appArmorProfile", BASELINE, (0, baseline.app_armor_profile)),
    _rule("capabilities_baseline", BASELINE, (0, baseline.capabilities)),
    _rule("hostNamespaces", BASELINE, (0, baseline.host_namespaces)),
    _rule("hostPathVolumes", BASELINE, (0, baseline.host_path_volumes)),
    _rule("hostPorts", BASELINE, (0, baseline.host_ports)),
    _rule("hostProbesAndHostLifecycle", BASELINE, (34, baseline.hosts_of_probes)),
    _rule("privileged", BASELINE, (0, baseline.privileged)),
    _rule(
        "procMount",
        BASELINE,
        (0, baseline.proc_mount),
        (35, unless(has_user_namespace, baseline.proc_mount)),
    ),
    _rule(
        "seLinuxOptions",
        BASELINE,
        (0, baseline.selinux_options(baseline.SELINUX_TYPES)),
        (31, baseline.selinux_options(baseline.SELINUX_TYPES_31)),
    ),
    _rule(
        "seccompProfile_baseline",
        BASELINE,
        (0, baseline.seccomp_annotations),
        (19, baseline.seccomp_profile),
    ),
    _rule(
        "sysctls",
        BASELINE,
        (0, baseline.sysctls(baseline.SYSCTLS)),
        (27, baseline.sysctls(baseline.SYSCTLS_27)),
        (29, baseline.sysctls(baseline.SYSCTLS_29)),
        (32, baseline.sysctls(baseline.SYSCTLS_32)),
    ),
    _rule("windowsHostProcess", BASELINE, (0, baseline.windows_host_process)),
    _rule(
        "allowPrivilegeEscalation",
        RESTRICTED,
        (8, restricted.allow_privilege_escalation),
        (25, unless(is_windows, restricted.allow_privilege_escalation)),
    ),
    _rule(
        "capabilities_restricted",
        RESTRICTED,
        (22, restricted.capabilities),
        (25, unless(is_windows, restricted.capabilities)),
        replaces="capabilities_baseline",
    ),
    _rule("procMount_restricted", RESTRICTED, (35, baseline.proc_mount), replaces="procMount"),
    _rule("restrictedVolumes", RESTRICTED, (0, restricted.volumes), replaces="hostPathVolumes"),
    _rule(
        "runAsNonRoot",
        RESTRICTED,
        (0, restricted.run_as_non_root),
        (35, unless(has_user_namespace, restricted.run_as_non_root)),
    ),
    _rule(
        "runAsUser",
        RESTRICTED,
        (23, restricted.run_as_user),
        (35, unless(has_user_namespace, restricted.run_as_user)),
    ),
    _rule(
        "seccompProfile_restricted",
        RESTRICTED,
        (19, restricted.seccomp),
        (25, unless(is_windows, restricted.seccomp)),
        replaces="seccompProfile_baseline",
    ),
)

NEWEST_MINOR = max(each.since for rule in RULES for each in rule.revisions)


def violations(pod: Pod, of: LevelVersion) -> list[Violation]:
    """All that the standard forbids the pod."""
    if of.is_privileged:
        return []
    minor = NEWEST_MINOR if of.minor is None else min(of.minor, NEWEST_MINOR)
    found = (check(pod) for check in _checks(of.level, minor))
    return [each for each in found if each is not None]


@functools.cache
def _checks(level: str, minor: int) -> tuple[Check, ...]:
    rules = [rule for rule in RULES if level == RESTRICTED or rule.level == BASELINE]
    in_force = {rule.name: check for rule in rules if (check := rule.at(minor)) is not None}
    replaced = {rule.replaces for rule in rules if rule.name in in_force}
    return tuple(check for name, check in in_force.items() if name not in replaced)
