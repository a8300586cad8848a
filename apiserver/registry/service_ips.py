"""Core: a Service's addresses in the cluster: at most one of each family, and the same for ever.

This cluster has one family, IPv4; of a second one Kubernetes would say what is said here.

After: k8s pkg/apis/core/validation/validation.go, ValidateServiceClusterIPsRelatedFields,
validateUpgradeDowngradeClusterIPs; pkg/registry/core/service/storage/alloc.go, initIPFamilyFields
"""

from __future__ import annotations

from typing import Any

from apiserver.registry import formats
from apiserver.registry.strategy import Errors
from kube.api.errors import FieldError
from kube.api.meta import Object

FAMILIES = ("IPv4", "IPv6")
POLICIES = ("PreferDualStack", "RequireDualStack", "SingleStack")
ONCE = "may not change once set"


def is_headless(spec: Any) -> bool:
    """True for a Service without an address, whose name stands for its pods."""
    return (spec.get("clusterIPs") or [spec.get("clusterIP")]) == ["None"]


def check(spec: Any) -> Errors:
    """What is wrong with the addresses and families of a Service that has them."""
    first, ips, path = spec.get("clusterIP") or "", spec.get("clusterIPs") or [], "spec.clusterIPs"
    errors: Errors = []
    if first and not ips:
        errors.append(FieldError.required(path))
    elif first and ips[0] != first:
        errors.append(FieldError.invalid(path, ips, "first value must match `clusterIP`"))
    elif ips and not first:
        errors.append(FieldError.invalid(path, ips, "must be empty when `clusterIP` is not specified"))
    errors += _families(spec)
    wrong: Errors = []
    for index, ip in enumerate(ips):
        if index == 0 and ip == "None":
            if len(ips) > 1:
                wrong.append(FieldError.invalid(path, ips, "'None' must be the first and only value"))
            continue
        wrong += formats.address(ip, f"{path}[{index}]")
    errors += wrong
    if len(ips) > 2:
        errors.append(FieldError.invalid(path, ips, "may only hold up to 2 values"))
    if wrong:
        return errors
    if len(ips) > 1 and len({":" in ip for ip in ips}) < 2:
        text = "may specify no more than one IP for each IP family"
        errors.append(FieldError.invalid(path, ips, text))
    return errors + ([] if is_headless(spec) else _of_family(ips, spec.get("ipFamilies") or [], path))


def _families(spec: Any) -> Errors:
    families, policy = spec.get("ipFamilies") or [], spec.get("ipFamilyPolicy")
    errors: Errors = []
    for index, family in enumerate(families):
        at = f"spec.ipFamilies[{index}]"
        if family not in FAMILIES:
            errors.append(FieldError.not_supported(at, family, FAMILIES))
        elif family in families[:index]:
            errors.append(FieldError.duplicate(at, family))
        elif family == "IPv6" and (spec.get("selector") or not is_headless(spec)):
            errors.append(FieldError.invalid(at, family, "not configured on this cluster"))
    if policy == "RequireDualStack" and (spec.get("selector") or not is_headless(spec)):
        text = "this cluster is not configured for dual-stack services"
        errors.append(FieldError.invalid("spec.ipFamilyPolicy", policy, text))
    return errors + formats.optional_choice(policy, "spec.ipFamilyPolicy", POLICIES)


def _of_family(ips: list[str], families: list[str], path: str) -> Errors:
    errors: Errors = []
    for index, (ip, family) in enumerate(zip(ips, families, strict=False)):
        if family in FAMILIES and (":" in ip) != (family == "IPv6"):
            text = f"expected an {family} value as indicated by `ipFamilies[{index}]`"
            errors.append(FieldError.invalid(f"{path}[{index}]", ip, text))
    return errors


def changes(new: Object, old: Object) -> Errors:
    """What may not change in a Service."""
    spec, before = new.get("spec") or {}, old.get("spec") or {}
    errors: Errors = []
    if "ExternalName" not in (spec.get("type"), before.get("type")):
        errors += _addresses(spec, before) + _same_families(spec, before)
    if spec.get("type") == before.get("type") == "LoadBalancer":
        errors += _balancer(spec, before)
    return errors


def _addresses(spec: Any, before: Any) -> Errors:
    was, now = before.get("clusterIPs") or [], spec.get("clusterIPs") or []
    if was == now or (is_headless(spec) and is_headless(before)):
        return []
    path = "spec.clusterIPs"
    if len(was) == len(now):
        changed = [index for index, ip in enumerate(was) if ip != now[index]]
        return [FieldError.invalid(f"{path}[{index}]", now, ONCE) for index in changed]
    errors: Errors = []
    if was and not now:
        errors.append(FieldError.invalid(f"{path}[0]", None, "primary clusterIP can not be unset"))
    elif was and was[0] != now[0]:
        errors.append(FieldError.invalid(f"{path}[0]", now, ONCE))
    if len(was) > len(now) == 1 and spec.get("ipFamilyPolicy") != "SingleStack":
        text = "must be set to 'SingleStack' when releasing the secondary clusterIP"
        errors.append(FieldError.invalid("spec.ipFamilyPolicy", spec.get("ipFamilyPolicy"), text))
    return errors


def _same_families(spec: Any, before: Any) -> Errors:
    was, now = before.get("ipFamilies") or [], spec.get("ipFamilies") or []
    if is_headless(spec) or is_headless(before) or not was or not now or was[0] == now[0]:
        return []
    return [FieldError.invalid("spec.ipFamilies[0]", now, ONCE)]


def _balancer(spec: Any, before: Any) -> Errors:
    errors: Errors = []
    if spec.get("loadBalancerClass") != before.get("loadBalancerClass"):
        errors.append(FieldError.invalid("spec.loadBalancerClass", spec.get("loadBalancerClass"), ONCE))
    both_local = spec.get("externalTrafficPolicy") == before.get("externalTrafficPolicy") == "Local"
    if both_local and spec.get("healthCheckNodePort") != before.get("healthCheckNodePort"):
        errors.append(FieldError.forbidden("spec.healthCheckNodePort", "field is immutable"))
    return errors
