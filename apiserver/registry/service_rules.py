"""Core: what is wrong with a Service: its ports, its type and what goes with it, how traffic finds its pods.

After: k8s pkg/apis/core/validation/validation.go, ValidateService
"""

from __future__ import annotations

from typing import Any

from apiserver.registry import formats, names, service_ips
from apiserver.registry.strategy import Errors
from kube.api import meta
from kube.api.errors import FieldError
from kube.api.meta import Object

TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
AFFINITIES = ("ClientIP", "None")
AFFINITY_SECONDS_MAX = 86400
POLICIES = ("Cluster", "Local")
DISTRIBUTIONS = ("PreferClose", "PreferSameNode", "PreferSameZone")
HINTS, MODE = "service.kubernetes.io/topology-aware-hints", "service.kubernetes.io/topology-mode"
RANGES = "service.beta.kubernetes.io/load-balancer-source-ranges"
ONLY_BALANCERS = "may only be used when `type` is 'LoadBalancer'"


def is_reachable(spec: Any) -> bool:
    """True when it can be reached from outside the cluster."""
    kind = spec.get("type")
    return kind in ("LoadBalancer", "NodePort") or (kind == "ClusterIP" and bool(spec.get("externalIPs")))


def needs_health_check(spec: Any) -> bool:
    """True when a load balancer must know which nodes have pods."""
    return bool(spec.get("type") == "LoadBalancer" and spec.get("externalTrafficPolicy") == "Local")


def validate(o: Object) -> Errors:
    """What is wrong with a Service."""
    spec, notes = o.get("spec") or {}, meta.annotations(o)
    kind, ports = spec.get("type") or "", spec.get("ports") or []
    errors: Errors = []
    if notes.get(MODE, notes.get(HINTS)) != notes.get(HINTS, notes.get(MODE)):
        text = f"must match annotations[{HINTS}] when both are specified"
        errors.append(FieldError.invalid(f"metadata.annotations[{MODE}]", notes[MODE], text))
    if not ports and kind != "ExternalName" and not service_ips.is_headless(spec):
        errors.append(FieldError.required("spec.ports"))
    errors += _type(spec, kind)
    errors += _ports(ports)
    if "selector" in spec:
        errors += names.check_labels(spec["selector"], "spec.selector")
    errors += _affinity(spec)
    if kind != "ExternalName":
        errors += service_ips.check(spec)
    for index, ip in enumerate(spec.get("externalIPs") or ()):
        at = f"spec.externalIPs[{index}]"
        errors += formats.address(ip, at) or formats.public_address(ip, at)
    errors += formats.choice(kind, "spec.type", TYPES)
    errors += _repeated(ports, kind)
    errors += _balancer(spec, notes, kind == "LoadBalancer")
    return errors + _traffic(spec, kind)


def _type(spec: Any, kind: str) -> Errors:
    if kind in ("LoadBalancer", "NodePort") and service_ips.is_headless(spec):
        text = f"may not be set to 'None' for {kind} services"
        return [FieldError.invalid("spec.clusterIPs[0]", "None", text)]
    if kind != "ExternalName":
        return []
    text = "may not be set for ExternalName services"
    fields = [field for field in ("clusterIPs", "ipFamilies", "ipFamilyPolicy") if spec.get(field)]
    errors = [FieldError.forbidden(f"spec.{field}", text) for field in fields]
    host = (spec.get("externalName") or "").removesuffix(".")
    if not host:
        return [*errors, FieldError.required("spec.externalName")]
    return errors + formats.dns_subdomain(host, "spec.externalName")


def _ports(ports: list[Any]) -> Errors:
    errors: Errors = []
    seen: set[str] = set()
    for index, port in enumerate(ports):
        name, at = port.get("name") or "", f"spec.ports[{index}]"
        if name:
            errors += formats.dns_label(name, f"{at}.name")
        elif len(ports) > 1:
            errors.append(FieldError.required(f"{at}.name"))
        if name and name in seen:
            errors.append(FieldError.duplicate(f"{at}.name", name))
        seen.add(name)
        errors += formats.port_number(port.get("port") or 0, f"{at}.port")
        errors += formats.choice(port.get("protocol"), f"{at}.protocol", formats.PROTOCOLS)
        errors += formats.port(port.get("targetPort", 0), f"{at}.targetPort")
        if "appProtocol" in port:
            errors += formats.qualified_name(port["appProtocol"], f"{at}.appProtocol")
    return errors


def _affinity(spec: Any) -> Errors:
    kind, config = spec.get("sessionAffinity"), spec.get("sessionAffinityConfig")
    path = "spec.sessionAffinity"
    if kind not in AFFINITIES:
        return formats.choice(kind, path, AFFINITIES)
    if kind == "None":
        text = "must not be set when session affinity is None"
        return [FieldError.forbidden(f"{path}Config", text)] if config is not None else []
    seconds = ((config or {}).get("clientIP") or {}).get("timeoutSeconds")
    at = f"{path}Config.clientIP.timeoutSeconds"
    if seconds is None:
        return [FieldError.required(at, "when session affinity type is ClientIP")]
    if 0 < seconds <= AFFINITY_SECONDS_MAX:
        return []
    text = f"must be greater than 0 and less than {AFFINITY_SECONDS_MAX}"
    return [FieldError.invalid(at, seconds, text)]


def _repeated(ports: list[Any], kind: str) -> Errors:
    """One protocol has each port once, here and on the nodes."""
    errors: Errors = []
    numbers = [(port.get("protocol"), port.get("nodePort")) for port in ports]
    text = "may not be used when `type` is 'ClusterIP'"
    for index, (_, number) in enumerate(numbers):
        if number and kind == "ClusterIP":
            errors.append(FieldError.forbidden(f"spec.ports[{index}].nodePort", text))
    for index, pair in enumerate(numbers):
        if pair[1] and pair in numbers[:index]:
            errors.append(FieldError.duplicate(f"spec.ports[{index}].nodePort", pair[1]))
    pairs = [(port.get("protocol"), port.get("port")) for port in ports]
    for index, pair in enumerate(pairs):
        if pair in pairs[:index]:
            shown = {"Name": "", "Protocol": pair[0], "AppProtocol": None, "Port": pair[1]}
            shown |= {"TargetPort": 0, "NodePort": 0}
            errors.append(FieldError.duplicate(f"spec.ports[{index}]", shown))
    return errors


def _balancer(spec: Any, annotations: Any, is_balancer: bool) -> Errors:
    errors: Errors = []
    ranges, path = spec.get("loadBalancerSourceRanges") or [], "spec.LoadBalancerSourceRanges"
    at = [f"{path}[{index}]" for index in range(len(ranges))]
    if not ranges and RANGES in annotations:
        path = f"metadata.annotations[{RANGES}]"
        ranges = [each for each in annotations[RANGES].strip().split(",") if each]
        at = [path] * len(ranges)
    if (ranges or RANGES in annotations) and not is_balancer:
        errors.append(FieldError.forbidden(path, ONLY_BALANCERS))
    for where, each in zip(at, ranges, strict=True):
        errors += formats.network(each.strip(), where)
    allocates, chosen = spec.get("allocateLoadBalancerNodePorts"), spec.get("loadBalancerClass")
    if allocates is not None and not is_balancer:
        errors.append(FieldError.forbidden("spec.allocateLoadBalancerNodePorts", ONLY_BALANCERS))
    if allocates is None and is_balancer:
        errors.append(FieldError.required("allocateLoadBalancerNodePorts"))
    if chosen is not None and is_balancer:
        errors += formats.qualified_name(chosen, "spec.loadBalancerClass")
    elif chosen is not None:
        errors.append(FieldError.forbidden("spec.loadBalancerClass", ONLY_BALANCERS))
    return errors


def _traffic(spec: Any, kind: str) -> Errors:
    outside, inside = spec.get("externalTrafficPolicy"), spec.get("internalTrafficPolicy")
    check, path = spec.get("healthCheckNodePort") or 0, "spec.healthCheckNodePort"
    errors: Errors = []
    if is_reachable(spec):
        errors += formats.choice(outside, "spec.externalTrafficPolicy", POLICIES)
    elif outside:
        text = "may only be set for externally-accessible services"
        errors.append(FieldError.invalid("spec.externalTrafficPolicy", outside, text))
    if not needs_health_check(spec):
        if check:
            text = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
            errors.append(FieldError.invalid(path, check, text))
    elif not check:
        errors.append(FieldError.required(path))
    else:
        errors += formats.port_number(check, path)
    if inside is None and kind in ("ClusterIP", "LoadBalancer", "NodePort"):
        errors.append(FieldError.required("spec.internalTrafficPolicy"))
    errors += formats.optional_choice(inside, "spec.internalTrafficPolicy", POLICIES)
    wanted = spec.get("trafficDistribution")
    return errors + formats.optional_choice(wanted, "spec.trafficDistribution", DISTRIBUTIONS)


def status_changes(new: Object, _old: Object) -> Errors:
    """What a load balancer says of itself."""
    spec = new.get("spec") or {}
    path = "status.loadBalancer.ingress"
    given = meta.get(new, "status", "loadBalancer", "ingress", default=[])
    if given and spec.get("type") != "LoadBalancer":
        text = "may only be used when `spec.type` is 'LoadBalancer'"
        return [FieldError.forbidden(path, text)]
    return [error for index, each in enumerate(given) for error in _ingress(each, f"{path}[{index}]")]


def _ingress(each: Any, path: str) -> Errors:
    ip, mode, host = each.get("ip") or "", each.get("ipMode"), each.get("hostname") or ""
    errors = formats.address(ip, f"{path}.ip") if ip else []
    if ip and mode is None:
        errors.append(FieldError.required(f"{path}.ipMode", "must be specified when `ip` is set"))
    elif not ip and mode is not None:
        errors.append(FieldError.forbidden(f"{path}.ipMode", "may not be specified when `ip` is not set"))
    elif mode is not None:
        errors += formats.optional_choice(mode, f"{path}.ipMode", ("Proxy", "VIP"))
    if host:
        errors += formats.dns_subdomain(host, f"{path}.hostname")
        if formats.is_address(host):
            text = "must be a DNS name, not an IP address"
            errors.append(FieldError.invalid(f"{path}.hostname", host, text))
    return errors
