"""Core: the containers of a pod: what all have in common, and what holds for those that run first or later.

    containers           run side by side until the pod ends
    initContainers       run one by one before them; with restartPolicy Always they stay (sidecars)
    ephemeralContainers  added to a running pod to look into it; no ports, probes, hooks or resources

After: k8s pkg/apis/core/validation/validation.go, validateContainerCommon, validateContainers,
validateInitContainers, validateEphemeralContainers
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from apiserver.registry import formats, names, resource_amounts
from apiserver.registry.pods import container_env, pod_security, probes, volume_mounts
from apiserver.registry.pods.volume_mounts import Volumes
from apiserver.registry.strategy import Errors
from kube.api.errors import FieldError

PULL_POLICIES = ("Always", "IfNotPresent", "Never")
MESSAGE_POLICIES = ("File", "FallbackToLogsOnError")
RESTART_POLICIES = ("Always", "Never", "OnFailure")
RESTART_RULES_MAX = 20
EXIT_CODES_MAX = 255
RESIZABLE = ("cpu", "memory")
RESIZE_POLICIES = ("NotRequired", "RestartContainer")
# In the order of Kubernetes' type.
NOT_EPHEMERAL = (
    "ports",
    "resources",
    "resizePolicy",
    "restartPolicy",
    "restartPolicyRules",
    "livenessProbe",
    "readinessProbe",
    "startupProbe",
    "lifecycle",
)


@dataclass(frozen=True, slots=True)
class Pod:
    """What of the pod its containers are measured against; `volumes` are those that are in order."""

    volumes: Volumes
    claims: tuple[str, ...]
    restart_policy: str
    grace: int | None
    host_users: bool
    system: str
    is_template: bool


def check(spec: Any, path: str, pod: Pod) -> Errors:
    """What is wrong with all containers of a pod."""
    errors = _regular(spec.get("containers") or [], f"{path}.containers", pod)
    if spec.get("initContainers"):
        errors += _init(spec, f"{path}.initContainers", pod)
    if spec.get("ephemeralContainers"):
        errors += _ephemeral(spec, f"{path}.ephemeralContainers", pod)
    return errors


def _regular(containers: list[Any], path: str, pod: Pod) -> Errors:
    if not containers:
        return [FieldError.required(path)]
    errors: Errors = []
    seen: set[str] = set()
    for index, container in enumerate(containers):
        at = f"{path}[{index}]"
        errors += _any(container, at, pod)
        name = container.get("name") or ""
        if name in seen:
            errors.append(FieldError.duplicate(f"{at}.name", name))
        seen.add(name)
        errors += probes.check_all(container, at, pod.grace, pod.system)
        errors += _restarts(container, at)
    return errors + host_ports(containers, path)


def _init(spec: Any, path: str, pod: Pod) -> Errors:
    errors: Errors = []
    seen = {each.get("name") for each in spec.get("containers") or ()}
    for index, container in enumerate(spec["initContainers"]):
        at = f"{path}[{index}]"
        errors += _any(container, at, pod)
        errors += _restarts(container, at)
        name = container.get("name") or ""
        if name in seen:
            errors.append(FieldError.duplicate(f"{at}.name", name))
        elif name:
            seen.add(name)
        errors += host_ports([container], path)
        if container.get("restartPolicy") == "Always":
            errors += probes.check_all(container, at, pod.grace, pod.system)
            continue
        text = "may not be set for init containers without restartPolicy=Always"
        fields = [field for field in ("lifecycle", *probes.PROBES) if field in container]
        errors += [FieldError.forbidden(f"{at}.{field}", text) for field in fields]
    return errors


def _ephemeral(spec: Any, path: str, pod: Pod) -> Errors:
    errors: Errors = []
    others = [
        each.get("name") for field in ("containers", "initContainers") for each in spec.get(field) or ()
    ]
    seen = list(others)
    text = "cannot be set for an Ephemeral Container"
    for index, container in enumerate(spec["ephemeralContainers"]):
        at = f"{path}[{index}]"
        errors += _any(container, at, pod)
        name, target = container.get("name") or "", container.get("targetContainerName")
        if name in seen:
            errors.append(FieldError.duplicate(f"{at}.name", name))
        seen.append(name)
        if target and target not in others:
            errors.append(FieldError.not_found(f"{at}.targetContainerName", target))
        errors += [
            FieldError.forbidden(f"{at}.{field}", text) for field in NOT_EPHEMERAL if container.get(field)
        ]
        for number, mount in enumerate(container.get("volumeMounts") or ()):
            fields = [field for field in ("subPath", "subPathExpr") if mount.get(field)]
            errors += [FieldError.forbidden(f"{at}.volumeMounts[{number}].{field}", text) for field in fields]
    return errors


def _any(container: Any, path: str, pod: Pod) -> Errors:
    """What holds for every container."""
    name, image = container.get("name") or "", container.get("image") or ""
    errors = formats.dns_label(name, f"{path}.name") if name else [FieldError.required(f"{path}.name")]
    if not image:
        errors.append(FieldError.required(f"{path}.image"))
    elif not pod.is_template and image.strip() != image:
        text = "must not have leading or trailing whitespace"
        errors.append(FieldError.invalid(f"{path}.image", image, text))
    if (policy := container.get("terminationMessagePolicy")) not in MESSAGE_POLICIES:
        errors += formats.choice(policy, f"{path}.terminationMessagePolicy", MESSAGE_POLICIES)
    if "ports" in container:
        errors += _ports(container["ports"], f"{path}.ports")
    if "env" in container:
        errors += container_env.variables(container["env"], f"{path}.env")
    if "envFrom" in container:
        errors += container_env.sources(container["envFrom"], f"{path}.envFrom")
    if "volumeMounts" in container:
        errors += volume_mounts.mounts(container, f"{path}.volumeMounts", pod.volumes)
    if "volumeDevices" in container:
        errors += volume_mounts.devices(container, f"{path}.volumeDevices", pod.volumes)
    if (pull := container.get("imagePullPolicy")) not in PULL_POLICIES:
        errors += formats.choice(pull, f"{path}.imagePullPolicy", PULL_POLICIES)
    if container.get("resources"):
        errors += resource_amounts.requirements(container["resources"], f"{path}.resources", pod.claims)
    if "resizePolicy" in container:
        errors += _resize(container["resizePolicy"], f"{path}.resizePolicy", pod.restart_policy)
    if "securityContext" in container:
        context, at = container["securityContext"], f"{path}.securityContext"
        errors += pod_security.of_container(context, at, host_users=pod.host_users)
    return errors


def _ports(ports: list[Any], path: str) -> Errors:
    errors: Errors = []
    seen: set[str] = set()
    for index, port in enumerate(ports):
        name, number, at = port.get("name"), port.get("containerPort") or 0, f"{path}[{index}]"
        if name and (wrong := formats.named(names.port_name, name, f"{at}.name")):
            errors += wrong
        elif name and name in seen:
            errors.append(FieldError.duplicate(f"{at}.name", name))
        elif name:
            seen.add(name)
        if not number:
            errors.append(FieldError.required(f"{at}.containerPort"))
        else:
            errors += formats.port_number(number, f"{at}.containerPort")
        if port.get("hostPort"):
            errors += formats.port_number(port["hostPort"], f"{at}.hostPort")
        errors += formats.choice(port.get("protocol"), f"{at}.protocol", formats.PROTOCOLS)
    return errors


def host_ports(containers: list[Any], path: str) -> Errors:
    """Containers that run at the same time share the node's addresses."""
    errors: Errors = []
    seen: set[str] = set()
    for i, container in enumerate(containers):
        for j, port in enumerate(container.get("ports") or ()):
            if not port.get("hostPort"):
                continue
            key = f"{port.get('protocol') or ''}/{port.get('hostIP') or ''}/{port['hostPort']}"
            if key in seen:
                errors.append(FieldError.duplicate(f"{path}[{i}].ports[{j}].hostPort", key))
            seen.add(key)
    return errors


def _restarts(container: Any, path: str) -> Errors:
    """A container may be restarted otherwise than its pod says."""
    policy, rules = container.get("restartPolicy"), container.get("restartPolicyRules") or ()
    if policy is None and not rules:
        return []
    errors = formats.optional_choice(policy, f"{path}.restartPolicy", RESTART_POLICIES)
    if policy is None:
        text = "must specify restartPolicy when restart rules are used"
        errors.append(FieldError.required(f"{path}.restartPolicy", text))
    if len(rules) > RESTART_RULES_MAX:
        errors.append(FieldError.too_long(f"{path}.restartPolicyRules", RESTART_RULES_MAX))
    for index, rule in enumerate(rules):
        at = f"{path}.restartPolicyRules[{index}]"
        errors += formats.choice(rule.get("action"), f"{at}.action", ("Restart",))
        if "exitCodes" not in rule:
            errors.append(FieldError.required(f"{at}.exitCodes", "must be specified"))
            continue
        operator, codes = rule["exitCodes"].get("operator"), rule["exitCodes"].get("values") or ()
        errors += formats.choice(operator, f"{at}.exitCodes.operator", ("In", "NotIn"))
        if len(codes) > EXIT_CODES_MAX:
            errors.append(FieldError.too_long(f"{at}.exitCodes.values", EXIT_CODES_MAX))
    return errors


def _resize(policies: list[Any], path: str, restart_policy: str) -> Errors:
    errors: Errors = []
    seen: list[str] = []
    for index, each in enumerate(policies):
        resource, policy = each.get("resourceName") or "", each.get("restartPolicy") or ""
        if resource in seen:
            errors.append(FieldError.duplicate(f"{path}[{index}]", resource))
        seen.append(resource)
        errors += formats.choice(resource, path, RESIZABLE) + formats.choice(policy, path, RESIZE_POLICIES)
        if restart_policy == "Never" and policy != "NotRequired":
            text = "must be 'NotRequired' when `restartPolicy` is 'Never'"
            errors.append(FieldError.invalid(path, policy, text))
    return errors
