"""Core: the rules of a pod's spec, which are also those of every template: the walk through all its fields.

The order is Kubernetes', so that several errors come in the order that people know.

After: k8s pkg/apis/core/validation/validation.go, ValidatePodSpec
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from apiserver.registry import formats, names, resource_amounts
from apiserver.registry.pods import (
    containers,
    pod_affinity,
    pod_dns,
    pod_placement,
    pod_security,
    pod_volumes,
)
from apiserver.registry.strategy import Errors
from kube.api import quantity
from kube.api.errors import FieldError
from kube.api.meta import Object

RESTART_POLICIES = ("Always", "OnFailure", "Never")
PREEMPTION_POLICIES = ("PreemptLowerPriority", "Never")

# Optional fields in Kubernetes' order, each with its rule; most pods have few of them.
FIELDS: tuple[tuple[str, Callable[[Any, str], Errors]], ...] = (
    ("readinessGates", pod_placement.readiness_gates),
    ("schedulingGates", pod_placement.scheduling_gates),
    ("topologySpreadConstraints", pod_placement.spread),
    ("serviceAccountName", formats.dns_subdomain),
    ("nodeName", formats.dns_subdomain),
    ("activeDeadlineSeconds", lambda value, path: formats.inside(value, path, 1, formats.INT32_MAX)),
    ("hostname", formats.dns_label),
    ("subdomain", formats.dns_label),
    ("tolerations", pod_placement.tolerations),
    ("hostAliases", pod_dns.host_aliases),
    ("priorityClassName", formats.dns_subdomain),
    ("runtimeClassName", formats.dns_subdomain),
    ("preemptionPolicy", lambda value, path: formats.choice(value, path, PREEMPTION_POLICIES)),
    ("overhead", lambda value, path: resource_amounts.requirements({"limits": value}, path)),
)


def validate(spec: Object, path: str, *, is_template: bool = True, pod_name: str = "") -> Errors:
    """What is wrong with a pod spec."""
    errors: Errors = []
    grace = spec.get("terminationGracePeriodSeconds")
    if grace is None:
        errors.append(FieldError.required(f"{path}.terminationGracePeriodSeconds"))
    volumes = pod_volumes.check(spec.get("volumes") or [], f"{path}.volumes", errors, pod_name)
    claims = spec.get("resourceClaims") or ()
    if claims:
        errors += _claims(claims, f"{path}.resourceClaims")
    policy = spec.get("restartPolicy") or ""
    pod = containers.Pod(
        volumes,
        tuple(each["name"] for each in claims if each.get("name")),
        policy,
        grace,
        spec.get("hostUsers") is not False,
        (spec.get("os") or {}).get("name") or "",
        is_template,
    )
    errors += containers.check(spec, path, pod)
    if "resources" in spec:
        errors += _pod_resources(spec, f"{path}.resources")
    if spec.get("hostNetwork"):
        errors += _host_network(spec, f"{path}.containers", is_template=is_template)
    if policy not in RESTART_POLICIES:
        errors += formats.choice(policy, f"{path}.restartPolicy", RESTART_POLICIES)
    errors += pod_dns.policy(spec, path)
    if "nodeSelector" in spec:
        errors += names.check_labels(spec["nodeSelector"], f"{path}.nodeSelector")
    errors += pod_security.of_pod(spec.get("securityContext"), spec, f"{path}.securityContext")
    if "affinity" in spec:
        errors += pod_affinity.affinity(spec["affinity"], f"{path}.affinity")
    errors += pod_dns.config(spec, f"{path}.dnsConfig")
    for field, rule in FIELDS:
        value = spec.get(field)
        if value or value == 0:
            errors += rule(value, f"{path}.{field}")
    if "hostnameOverride" in spec:
        errors += pod_dns.host_name(spec, path)
    errors += pod_security.host_users(spec, path)
    return errors + (pod_security.operating_system(spec, path) if "os" in spec else [])


def _claims(claims: Any, path: str) -> Errors:
    errors: Errors = []
    seen: list[str] = []
    for index, claim in enumerate(claims):
        at, name = f"{path}[{index}]", claim.get("name") or ""
        if not name:
            errors.append(FieldError.required(f"{at}.name"))
        elif name in seen:
            errors.append(FieldError.duplicate(f"{at}.name", name))
        else:
            errors += formats.dns_label(name, f"{at}.name")
        seen.append(name)
        given = [field for field in ("resourceClaimName", "resourceClaimTemplateName") if field in claim]
        if len(given) > 1:
            text = "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified"
            errors.append(FieldError.invalid(at, claim, text))
        if not given:
            text = "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`"
            errors.append(FieldError.invalid(at, claim, text))
        for field in given:
            errors += formats.dns_subdomain(claim[field], f"{at}.{field}")
    return errors


def _pod_resources(spec: Object, path: str) -> Errors:
    """What the pod asks for as a whole covers what its containers ask for."""
    wanted = spec["resources"]
    errors: Errors = []
    if "claims" in wanted:
        text = "claims cannot be set for Resources at pod-level"
        errors.append(FieldError.forbidden(f"{path}.claims", text))
    errors += resource_amounts.requirements(wanted, path, rule=resource_amounts.pod_resource)
    total: dict[str, quantity.Quantity] = {}
    for index, container in enumerate(spec.get("containers") or ()):
        asked = container.get("resources") or {}
        for name, value in (asked.get("requests") or {}).items():
            total[name] = total.get(name, quantity.ZERO) + quantity.parse(value)
        for name, value in (asked.get("limits") or {}).items():
            most = (wanted.get("limits") or {}).get(name)
            if most is not None and quantity.parse(value) > quantity.parse(most):
                text = f"must be less than or equal to pod limits of {most}"
                errors.append(FieldError.invalid(f"{path}.containers[{index}][{name}].limits", value, text))
    for name, sum_of in total.items():
        given = (wanted.get("requests") or {}).get(name, "0")
        if sum_of > quantity.parse(given):
            text = f"must be greater than or equal to aggregate container requests of {sum_of}"
            errors.append(FieldError.invalid(f"{path}.requests[{name}]", given, text))
    return errors


def _host_network(spec: Object, path: str, *, is_template: bool) -> Errors:
    """On the node's own network a container's port is the node's; a template may leave that open."""
    errors: Errors = []
    for i, container in enumerate(spec.get("containers") or ()):
        for j, port in enumerate(container.get("ports") or ()):
            host, own = port.get("hostPort") or 0, port.get("containerPort") or 0
            if host != own and (host or not is_template):
                text = "must match `containerPort` when `hostNetwork` is true"
                errors.append(FieldError.invalid(f"{path}[{i}].ports[{j}].hostPort", host, text))
    return errors
