"""Core: the rules of a pod's spec, which are also those of every template.

After: k8s pkg/apis/core/validation/validation.go, ValidatePodSpec
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from apiserver.registry import names
from apiserver.registry.strategy import Errors, duplicates, within
from kube.api import quantity
from kube.api.errors import FieldError
from kube.api.meta import Object

RESTART_POLICIES = ("Always", "OnFailure", "Never")
PROTOCOLS = ("SCTP", "TCP", "UDP")
PULL_POLICIES = ("Always", "IfNotPresent", "Never")
DNS_POLICIES = ("ClusterFirst", "ClusterFirstWithHostNet", "Default", "None")
HANDLERS = ("exec", "httpGet", "tcpSocket", "grpc")


def validate(spec: Object, path: str, restart_policies: Sequence[str] = RESTART_POLICIES) -> Errors:
    """What is wrong with a pod spec; a template of some kinds allows fewer restart policies."""
    errors: Errors = []
    volumes = _volume_names(spec.get("volumes") or [], f"{path}.volumes", errors)
    containers = spec.get("containers") or []
    if not containers:
        errors.append(FieldError.required(f"{path}.containers"))
    inits = spec.get("initContainers") or []
    for field, group in (("containers", containers), ("initContainers", inits)):
        for index, container in enumerate(group):
            errors += _container(container, f"{path}.{field}[{index}]", volumes, init=field != "containers")
    all_names = [each.get("name") for each in containers]
    errors += duplicates(all_names, f"{path}.containers", ".name")
    errors += duplicates([each.get("name") for each in inits], f"{path}.initContainers", ".name")
    errors += _host_ports(containers, f"{path}.containers")
    policy = spec.get("restartPolicy")
    if policy not in restart_policies:
        errors.append(FieldError.not_supported(f"{path}.restartPolicy", policy or "", restart_policies))
    dns = spec.get("dnsPolicy")
    if dns and dns not in DNS_POLICIES:
        errors.append(FieldError.not_supported(f"{path}.dnsPolicy", dns, DNS_POLICIES))
    errors += within(spec.get("terminationGracePeriodSeconds"), f"{path}.terminationGracePeriodSeconds", 0)
    errors += within(spec.get("activeDeadlineSeconds"), f"{path}.activeDeadlineSeconds", 1)
    errors += names.check_labels(spec.get("nodeSelector") or {}, f"{path}.nodeSelector")
    errors += _named(spec.get("serviceAccountName"), f"{path}.serviceAccountName")
    errors += _named(spec.get("nodeName"), f"{path}.nodeName")
    errors += _tolerations(spec.get("tolerations") or [], f"{path}.tolerations")
    return errors


def _named(value: str | None, path: str) -> Errors:
    return [FieldError.invalid(path, value, error) for error in names.dns_subdomain(value)] if value else []


def _volume_names(volumes: list[Any], path: str, errors: Errors) -> list[str]:
    known: list[str] = []
    for index, volume in enumerate(volumes):
        name = volume.get("name") or ""
        if not name:
            errors.append(FieldError.required(f"{path}[{index}].name"))
        else:
            at = f"{path}[{index}].name"
            errors += [FieldError.invalid(at, name, error) for error in names.dns_label(name)]
            if name in known:
                errors.append(FieldError.duplicate(at, name))
        known.append(name)
    return known


def _container(container: Any, path: str, volumes: list[str], *, init: bool) -> Errors:
    errors: Errors = []
    name = container.get("name") or ""
    if not name:
        errors.append(FieldError.required(f"{path}.name"))
    else:
        errors += [FieldError.invalid(f"{path}.name", name, error) for error in names.dns_label(name)]
    image = container.get("image") or ""
    if not image:
        errors.append(FieldError.required(f"{path}.image"))
    elif image != image.strip():
        errors.append(
            FieldError.invalid(f"{path}.image", image, "must not have leading or trailing whitespace")
        )
    policy = container.get("imagePullPolicy")
    if policy and policy not in PULL_POLICIES:
        errors.append(FieldError.not_supported(f"{path}.imagePullPolicy", policy, PULL_POLICIES))
    errors += _ports(container.get("ports") or [], f"{path}.ports")
    errors += _env(container.get("env") or [], f"{path}.env")
    errors += _mounts(container.get("volumeMounts") or [], f"{path}.volumeMounts", volumes)
    errors += resources(container.get("resources") or {}, f"{path}.resources")
    restarts = container.get("restartPolicy")
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        if probe in container and init and restarts != "Always":
            text = "must not be set for init containers without restartPolicy=Always"
            errors.append(FieldError.forbidden(f"{path}.{probe}", text))
        elif probe in container:
            errors += _probe(container[probe], f"{path}.{probe}", only_once=probe != "readinessProbe")
    return errors


def _ports(ports: list[Any], path: str) -> Errors:
    errors: Errors = []
    for index, port in enumerate(ports):
        at = f"{path}[{index}]"
        number = port.get("containerPort")
        if not number:
            errors.append(FieldError.required(f"{at}.containerPort"))
        errors += _port_number(number, f"{at}.containerPort") + _port_number(
            port.get("hostPort"), f"{at}.hostPort"
        )
        protocol = port.get("protocol")
        if protocol not in PROTOCOLS:
            errors.append(FieldError.not_supported(f"{at}.protocol", protocol or "", PROTOCOLS))
    named = [port.get("name") for port in ports if port.get("name")]
    return errors + duplicates(named, path, ".name")


def _port_number(number: int | None, path: str) -> Errors:
    return within(number, path, 1, 65535) if number else []


def _host_ports(containers: list[Any], path: str) -> Errors:
    """Two containers of a pod share its addresses."""
    errors: Errors = []
    seen: set[tuple[object, ...]] = set()
    for i, container in enumerate(containers):
        for j, port in enumerate(container.get("ports") or []):
            number = port.get("hostPort")
            key = (port.get("protocol"), port.get("hostIP") or "", number)
            if number and key in seen:
                text = f"{port.get('protocol')}/{port.get('hostIP') or ''}/{number}"
                errors.append(FieldError.duplicate(f"{path}[{i}].ports[{j}].hostPort", text))
            seen.add(key)
    return errors


def _env(env: list[Any], path: str) -> Errors:
    errors: Errors = []
    for index, variable in enumerate(env):
        if not variable.get("name"):
            errors.append(FieldError.required(f"{path}[{index}].name"))
        if variable.get("value") and variable.get("valueFrom"):
            text = "may not be specified when `value` is not empty"
            errors.append(FieldError.invalid(f"{path}[{index}].valueFrom", "", text))
    return errors


def _mounts(mounts: list[Any], path: str, volumes: list[str]) -> Errors:
    errors: Errors = []
    for index, mount in enumerate(mounts):
        name = mount.get("name") or ""
        if not name:
            errors.append(FieldError.required(f"{path}[{index}].name"))
        elif name not in volumes:
            errors.append(FieldError.not_found(f"{path}[{index}].name", name))
        if not mount.get("mountPath"):
            errors.append(FieldError.required(f"{path}[{index}].mountPath"))
    seen: list[str] = []
    for index, mount in enumerate(mounts):
        where = mount.get("mountPath") or ""
        if where and where in seen:
            errors.append(FieldError.invalid(f"{path}[{index}].mountPath", where, "must be unique"))
        seen.append(where)
    return errors


def resources(wanted: Any, path: str) -> Errors:
    """Requests and limits: quantities not below zero, requests not above limits."""
    errors: Errors = []
    limits, requests = wanted.get("limits") or {}, wanted.get("requests") or {}
    for field, amounts in (("limits", limits), ("requests", requests)):
        for name, amount in amounts.items():
            at = f"{path}.{field}[{name}]"
            errors += [FieldError.invalid(at, name, error) for error in names.qualified_name(name)]
            if quantity.parse(amount) < quantity.parse(0):
                errors.append(FieldError.invalid(at, amount, "must be greater than or equal to 0"))
    for name, amount in requests.items():
        if name in limits and quantity.parse(amount) > quantity.parse(limits[name]):
            text = f"must be less than or equal to {name} limit of {limits[name]}"
            errors.append(FieldError.invalid(f"{path}.requests", amount, text))
    return errors


def _probe(probe: Any, path: str, *, only_once: bool) -> Errors:
    handlers = [each for each in HANDLERS if each in probe]
    errors: Errors = []
    if not handlers:
        errors.append(FieldError.required(path, "must specify a handler type"))
    for extra in handlers[1:]:
        errors.append(FieldError.forbidden(f"{path}.{extra}", "may not specify more than 1 handler type"))
    for field in (
        "initialDelaySeconds",
        "timeoutSeconds",
        "periodSeconds",
        "successThreshold",
        "failureThreshold",
    ):
        errors += within(probe.get(field), f"{path}.{field}", 0)
    if only_once and probe.get("successThreshold", 1) != 1:
        errors.append(FieldError.invalid(f"{path}.successThreshold", probe["successThreshold"], "must be 1"))
    return errors


def _tolerations(tolerations: list[Any], path: str) -> Errors:
    errors: Errors = []
    for index, each in enumerate(tolerations):
        at = f"{path}[{index}]"
        key, operator = each.get("key"), each.get("operator") or "Equal"
        if operator not in ("Equal", "Exists", "Lt", "Gt"):
            errors.append(FieldError.not_supported(f"{at}.operator", operator, ("Equal", "Exists")))
        if key:
            errors += [FieldError.invalid(f"{at}.key", key, error) for error in names.qualified_name(key)]
        elif operator != "Exists":
            text = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
            errors.append(FieldError.invalid(f"{at}.operator", operator, text))
        if operator == "Exists" and each.get("value"):
            text = "value must be empty when `operator` is 'Exists'"
            errors.append(FieldError.invalid(f"{at}.operator", operator, text))
        if "tolerationSeconds" in each and each.get("effect") != "NoExecute":
            text = "effect must be 'NoExecute' when `tolerationSeconds` is set"
            errors.append(FieldError.invalid(f"{at}.effect", each.get("effect") or "", text))
    return errors
