"""Core: what is special about Ingresses, their classes, and NetworkPolicies: hosts, paths, backends, peers.

After: k8s pkg/apis/networking/validation/validation.go
"""

from __future__ import annotations

import ipaddress
from typing import Any

from apiserver.registry import formats, names
from apiserver.registry.selectors import label_selector
from apiserver.registry.strategy import Errors, Strategy, immutable
from kube.api import meta
from kube.api.errors import FieldError
from kube.api.meta import Object

CLASS_ANNOTATION = "kubernetes.io/ingress.class"
CONTROLLER_BYTES_MAX = 250
PATH_TYPES = ("Exact", "ImplementationSpecific", "Prefix")
BAD_PARTS = ("//", "/./", "/../", "%2f", "%2F")
BAD_ENDS = ("/..", "/.")
NO_ADDRESS = "must be a DNS name, not an IP address"
PROTOCOLS = ("TCP", "UDP", "SCTP")
POLICY_TYPES = ("Ingress", "Egress")
SCOPES = ("Cluster", "Namespace")
HTTP_PATH = r"""[A-Za-z0-9/\-._~%!$&'()*+,;=:]+"""


def validate_ingress(o: Object) -> Errors:
    """Somewhere to go for every host and path."""
    spec = o.get("spec") or {}
    rules, backend = spec.get("rules") or [], spec.get("defaultBackend")
    errors: Errors = []
    if not rules and backend is None:
        text = "either `defaultBackend` or `rules` must be specified"
        errors.append(FieldError.invalid("spec", spec.get("rules"), text))
    if backend is not None:
        errors += _backend(backend, "spec.defaultBackend")
    for index, rule in enumerate(rules):
        errors += _rule(rule, f"spec.rules[{index}]")
    for index, tls in enumerate(spec.get("tls") or []):
        errors += _tls(tls, f"spec.tls[{index}]")
    if (name := spec.get("ingressClassName")) is not None:
        errors += formats.dns_subdomain(name, "spec.ingressClassName")
    return errors


def new_ingress(o: Object) -> Errors:
    """The old way to name a class agrees with the new one."""
    old, new = meta.annotations(o).get(CLASS_ANNOTATION), meta.get(o, "spec", "ingressClassName")
    if old is None or new is None or old == new:
        return []
    text = "must match `ingressClassName` when both are specified"
    return [FieldError.invalid(f"annotations.{CLASS_ANNOTATION}", old, text)]


def _host(host: str, path: str) -> Errors:
    rule = names.wildcard_subdomain if "*" in host else names.dns_subdomain
    return formats.named(rule, host, path)


def _tls(tls: Any, path: str) -> Errors:
    hosts, secret = tls.get("hosts") or [], tls.get("secretName")
    errors = [error for index, host in enumerate(hosts) for error in _host(host, f"{path}.hosts[{index}]")]
    return errors + (formats.dns_subdomain(secret, f"{path}.secretName") if secret else [])


def _rule(rule: Any, path: str) -> Errors:
    host = rule.get("host") or ""
    errors: Errors = []
    if host and formats.is_address(host):
        errors.append(FieldError.invalid(f"{path}.host", host, NO_ADDRESS))
    if host:
        errors += _host(host, f"{path}.host")
    http = rule.get("http")
    if http is None:
        return errors
    paths = http.get("paths") or []
    if not paths:
        errors.append(FieldError.required(f"{path}.http.paths"))
    return errors + [
        error for index, each in enumerate(paths) for error in _path(each, f"{path}.http.paths[{index}]")
    ]


def _path(each: Any, path: str) -> Errors:
    kind, value, at = each.get("pathType"), each.get("path") or "", f"{path}.path"
    if kind is None:
        return [FieldError.required(f"{path}.pathType", "pathType must be specified")]
    errors = formats.optional_choice(kind, f"{path}.pathType", PATH_TYPES)
    if kind in PATH_TYPES and not value.startswith("/") and (value or kind != "ImplementationSpecific"):
        errors.append(FieldError.invalid(at, value, "must be an absolute path"))
    if kind in ("Exact", "Prefix"):
        bad = [f"must not contain '{part}'" for part in BAD_PARTS if part in value]
        bad += [f"cannot end with '{end}'" for end in BAD_ENDS if value.endswith(end)]
        errors += [FieldError.invalid(at, value, text) for text in bad]
    return errors + _backend(each.get("backend") or {}, f"{path}.backend")


def _backend(backend: Any, path: str) -> Errors:
    resource, service = backend.get("resource"), backend.get("service")
    if resource is not None and service is not None:
        return [FieldError.invalid(path, "", "cannot set both resource and service backends")]
    if resource is not None:
        return _reference(resource, f"{path}.resource")
    if service is None:
        return [FieldError.invalid(path, "", "resource or service backend is required")]
    name, port = service.get("name") or "", service.get("port") or {}
    errors = formats.named(names.dns_1035_label, name, f"{path}.service.name") if name else []
    if not name:
        errors.append(FieldError.required(f"{path}.service.name"))
    if port.get("name") and port.get("number"):
        errors.append(FieldError.invalid(path, "", "cannot set both port name & port number"))
    elif port.get("name"):
        errors += formats.named(names.port_name, port["name"], f"{path}.service.port.name")
    elif port.get("number"):
        errors += formats.port_number(port["number"], f"{path}.service.port.number")
    else:
        errors.append(FieldError.required(path, "port name or number is required"))
    return errors


def _reference(reference: Any, path: str) -> Errors:
    errors: Errors = []
    if (group := reference.get("apiGroup")) is not None:
        errors += formats.dns_subdomain(group, f"{path}.apiGroup")
    for part in ("kind", "name"):
        value, at = reference.get(part) or "", f"{path}.{part}"
        errors += formats.named(names.path_segment, value, at) if value else [FieldError.required(at)]
    return errors


def ingress_status(new: Object, _old: Object) -> Errors:
    """Where a load balancer stands, by address or by name."""
    errors: Errors = []
    for index, each in enumerate(meta.get(new, "status", "loadBalancer", "ingress", default=[])):
        path, ip, host = f"status.loadBalancer.ingress[{index}]", each.get("ip"), each.get("hostname")
        errors += formats.address(ip, f"{path}.ip") if ip else []
        if host:
            errors += formats.dns_subdomain(host, f"{path}.hostname")
            if formats.is_address(host):
                errors.append(FieldError.invalid(f"{path}.hostname", host, NO_ADDRESS))
    return errors


def validate_class(o: Object) -> Errors:
    """Whose class it is, and with which parameters."""
    path, controller = "spec.controller", meta.get(o, "spec", "controller", default="")
    errors: Errors = []
    if not controller:
        errors.append(FieldError.required(path))
    elif len(controller) > CONTROLLER_BYTES_MAX:
        errors.append(FieldError.too_long(path, CONTROLLER_BYTES_MAX))
    if controller:
        errors += _domain_path(controller, path)
    parameters = meta.get(o, "spec", "parameters")
    return errors + (_parameters(parameters, "spec.parameters") if parameters is not None else [])


def _domain_path(value: str, path: str) -> Errors:
    host, _, rest = value.partition("/")
    if not host or not rest:
        text = 'must be a domain-prefixed path (such as "acme.io/foo")'
        return [FieldError.invalid(path, value, text)]
    errors = [FieldError.invalid(path, host, text) for text in names.dns_subdomain(host)]
    if not names.matches(HTTP_PATH, rest):
        text = f"Invalid path (regex used for validation is '{HTTP_PATH}')"
        errors.append(FieldError.invalid(path, rest, text))
    return errors


def _parameters(parameters: Any, path: str) -> Errors:
    errors = _reference(parameters, path)
    scope, space, at = parameters.get("scope"), parameters.get("namespace"), f"{path}.namespace"
    errors += formats.choice(scope, f"{path}.scope", SCOPES)
    if scope == "Namespace" and space is None:
        errors.append(FieldError.required(at, "`parameters.scope` is set to 'Namespace'"))
    elif scope == "Namespace":
        errors += formats.dns_label(space, at)
    elif scope == "Cluster" and space is not None:
        errors.append(FieldError.forbidden(at, "`parameters.scope` is set to 'Cluster'"))
    return errors


def class_changes(new: Object, old: Object) -> Errors:
    """Its controller stays."""
    return immutable(new, old, "spec.controller")


def validate_policy(o: Object) -> Errors:
    """Peers and ports of each rule."""
    spec = o.get("spec") or {}
    errors = label_selector(spec.get("podSelector"), "spec.podSelector")
    for field, peers in (("ingress", "from"), ("egress", "to")):
        for index, rule in enumerate(spec.get(field) or []):
            path = f"spec.{field}[{index}]"
            for number, port in enumerate(rule.get("ports") or []):
                errors += _policy_port(port, f"{path}.ports[{number}]")
            for number, peer in enumerate(rule.get(peers) or []):
                errors += _peer(peer, f"{path}.{peers}[{number}]")
    types = spec.get("policyTypes") or []
    if len(types) > len(POLICY_TYPES):
        text = "may not specify more than two policyTypes"
        return [*errors, FieldError.invalid("spec.policyTypes", types, text)]
    for index, each in enumerate(types):
        errors += formats.optional_choice(each, f"spec.policyTypes[{index}]", POLICY_TYPES)
    return errors


def _policy_port(port: Any, path: str) -> Errors:
    errors = formats.optional_choice(port.get("protocol"), f"{path}.protocol", PROTOCOLS)
    value, end, at = port.get("port"), port.get("endPort"), f"{path}.endPort"
    if value is None:
        if end is not None:
            text = "may not be specified when `port` is not specified"
            errors.append(FieldError.invalid(at, end, text))
        return errors
    if isinstance(value, str) and end is not None:
        text = "may not be specified when `port` is non-numeric"
        errors.append(FieldError.invalid(at, end, text))
    errors += formats.port(value, f"{path}.port")
    if isinstance(value, int) and end is not None:
        if end < value:
            errors.append(FieldError.invalid(at, end, "must be greater than or equal to `port`"))
        errors += formats.port_number(end, at)
    return errors


def _peer(peer: Any, path: str) -> Errors:
    errors: Errors = []
    for field in ("podSelector", "namespaceSelector"):
        errors += label_selector(peer.get(field), f"{path}.{field}")
    block = peer.get("ipBlock")
    if block is not None:
        errors += _block(block, f"{path}.ipBlock")
    if not peer:
        errors.append(FieldError.required(path, "must specify a peer"))
    elif block is not None and len(peer) > 1:
        errors.append(FieldError.forbidden(path, "may not specify both ipBlock and another peer"))
    return errors


def _block(block: Any, path: str) -> Errors:
    cidr = block.get("cidr") or ""
    if not cidr:
        return [FieldError.required(f"{path}.cidr")]
    if errors := formats.network(cidr, f"{path}.cidr"):
        return errors
    whole = ipaddress.ip_network(cidr, strict=False)
    for index, each in enumerate(block.get("except") or []):
        at = f"{path}.except[{index}]"
        wrong = formats.network(each, at)
        part = None if wrong else ipaddress.ip_network(each, strict=False)
        if part is not None and not _is_strict_part(part, whole):
            wrong = [FieldError.invalid(at, each, "must be a strict subset of `cidr`")]
        errors += wrong
    return errors


def _is_strict_part(part: Any, whole: Any) -> bool:
    fits: bool = part.version == whole.version and part.subnet_of(whole) and part.prefixlen > whole.prefixlen
    return fits


INGRESS = Strategy(
    is_complete=True,
    counts_generation=True,
    validate=validate_ingress,
    validate_create=new_ingress,
    subresources={"status": ingress_status},
)
INGRESS_CLASS = Strategy(
    is_complete=True, counts_generation=True, validate=validate_class, validate_update=class_changes
)
NETWORK_POLICY = Strategy(is_complete=True, counts_generation=True, validate=validate_policy)
