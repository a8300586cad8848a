"""Core: which requests a webhook or an admission policy is asked about, and whom a webhook is.

After: k8s pkg/apis/admissionregistration/validation/validation.go, validateRuleWithOperations;
staging/src/k8s.io/apiserver/pkg/util/webhook/validation.go
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from apiserver.registry import formats, names
from apiserver.registry.strategy import Errors
from kube.api.errors import FieldError

OPERATIONS = ("*", "CONNECT", "CREATE", "DELETE", "UPDATE")
SCOPES = ("*", "Cluster", "Namespaced")
FORM = "; desired format: https://host[/path]"


def validate(rule: Any, path: str) -> Errors:
    """Operations on resources of some groups and versions; a star stands alone."""
    operations = rule.get("operations") or []
    errors: Errors = [] if operations else [FieldError.required(f"{path}.operations")]
    errors += _alone(operations, f"{path}.operations", "operations")
    for index, each in enumerate(operations):
        errors += formats.optional_choice(each, f"{path}.operations[{index}]", OPERATIONS)
    for field, called in (("apiGroups", "API groups"), ("apiVersions", "API versions")):
        values = rule.get(field) or []
        errors += [] if values else [FieldError.required(f"{path}.{field}")]
        errors += _alone(values, f"{path}.{field}", called)
    for index, version in enumerate(rule.get("apiVersions") or []):
        if not version:
            errors.append(FieldError.required(f"{path}.apiVersions[{index}]"))
    errors += _resources(rule.get("resources") or [], f"{path}.resources")
    return errors + formats.optional_choice(rule.get("scope"), f"{path}.scope", SCOPES)


def _alone(values: list[str], path: str, called: str) -> Errors:
    if len(values) < 2 or "*" not in values:
        return []
    return [FieldError.invalid(path, values, f"if '*' is present, must not specify other {called}")]


def _resources(resources: list[str], path: str) -> Errors:
    errors: Errors = [] if resources else [FieldError.required(path)]
    all_below: list[str] = []
    everywhere: list[str] = []
    for index, each in enumerate(resources):
        at = f"{path}[{index}]"
        resource, slash, below = each.partition("/")
        if not each:
            errors.append(FieldError.required(at))
        if not slash:
            continue
        if resource in all_below:
            text = f"if '{resource}/*' is present, must not specify {each}"
            errors.append(FieldError.invalid(at, each, text))
        if below in everywhere:
            text = f"if '*/{below}' is present, must not specify {each}"
            errors.append(FieldError.invalid(at, each, text))
        all_below += [resource] if below == "*" else []
        everywhere += [below] if resource == "*" else []
    if len(resources) > 1 and "*/*" in resources:
        text = "if '*/*' is present, must not specify other resources"
        errors.append(FieldError.invalid(path, resources, text))
    if "*" in resources and any(each and each != "*" and "/" not in each for each in resources):
        text = "if '*' is present, must not specify other resources without subresources"
        errors.append(FieldError.invalid(path, resources, text))
    return errors


def validate_named(rule: Any, path: str) -> Errors:
    """A rule that may name its objects."""
    errors: Errors = []
    wanted = rule.get("resourceNames") or []
    for index, name in enumerate(wanted):
        errors += formats.named(names.path_segment, name, f"{path}.resourceNames[{index}]")
        if name in wanted[:index]:
            errors.append(FieldError.duplicate(f"{path}.resourceNames[{index}]", name))
    return errors + validate(rule, path)


def param_kind(kind: Any, path: str) -> Errors:
    """The kind of a policy's parameters."""
    version, name = kind.get("apiVersion") or "", kind.get("kind") or ""
    errors: Errors = [] if version else [FieldError.required(f"{path}.apiVersion")]
    group, _, last = version.rpartition("/")
    if group and (wrong := names.dns_subdomain(group)):
        errors.append(FieldError.invalid(f"{path}.apiVersion", group, ",".join(wrong)))
    if version and not last:
        errors.append(FieldError.invalid(f"{path}.apiVersion", version, "version must be specified"))
    elif version and (wrong := names.dns_1035_label(last)):
        errors.append(FieldError.invalid(f"{path}.apiVersion", last, ",".join(wrong)))
    if not name:
        errors.append(FieldError.required(f"{path}.kind"))
    elif wrong := names.dns_1035_label(name.lower()):
        text = "may have mixed case, but should otherwise match: " + ",".join(wrong)
        errors.append(FieldError.invalid(f"{path}.kind", name, text))
    return errors


def client(config: Any, path: str) -> Errors:
    """Where a webhook answers: at a URL or behind a Service."""
    url, service = config.get("url"), config.get("service")
    if (url is None) == (service is None):
        return [FieldError.required(path, "exactly one of url or service is required")]
    return _url(url, f"{path}.url") if url is not None else _service(service, f"{path}.service")


def _url(url: str, path: str) -> Errors:
    parts = urlsplit(url)
    errors: Errors = []
    if parts.scheme != "https":
        text = f"'https' is the only allowed URL scheme{FORM}"
        errors.append(FieldError.invalid(path, parts.scheme, text))
    user, at, host = parts.netloc.rpartition("@")
    if not host:
        errors.append(FieldError.invalid(path, "", f"host must be provided{FORM}"))
    for wrong, value, what in (
        (at, user, "user information is"),
        (parts.fragment, parts.fragment, "fragments are"),
        (parts.query, parts.query, "query parameters are"),
    ):
        if wrong:
            errors.append(FieldError.invalid(path, value, f"{what} not permitted in the URL"))
    return errors


def _service(service: Any, path: str) -> Errors:
    errors = [
        FieldError.required(f"{path}.{part}", f"service {part} is required")
        for part in ("name", "namespace")
        if not service.get(part)
    ]
    number = service.get("port") or 0
    if not 1 <= number <= formats.PORT_MAX:
        text = f"port is not valid: must be between 1 and {formats.PORT_MAX}, inclusive"
        errors.append(FieldError.invalid(f"{path}.port", number, text))
    where = service.get("path") or ""
    return errors + (_path(where, f"{path}.path") if where not in ("", "/") else [])


def _path(where: str, path: str) -> Errors:
    if where == "//":
        return [FieldError.invalid(path, where, "segment[0] may not be empty")]
    errors: Errors = []
    if not where.startswith("/"):
        errors.append(FieldError.invalid(path, where, "must start with a '/'"))
    for index, step in enumerate(where[1:].removesuffix("/").split("/")):
        if not step:
            errors.append(FieldError.invalid(path, where, f"segment[{index}] may not be empty"))
            continue
        errors += [
            FieldError.invalid(path, where, f"segment[{index}]: {text}") for text in names.dns_subdomain(step)
        ]
    return errors
