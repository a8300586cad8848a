"""Core: what is special about Endpoints and EndpointSlices: addresses of one family, ports with names.

Addresses of the loopback range are allowed here, where all nodes may be one machine; Kubernetes refuses them.

After: k8s pkg/apis/core/validation/validation.go, ValidateEndpoints; pkg/apis/discovery/validation/
"""

from __future__ import annotations

from typing import Any

from apiserver.registry import formats, names
from apiserver.registry.strategy import Errors, Strategy, immutable
from kube.api import label_syntax
from kube.api.errors import FieldError
from kube.api.meta import Object

ADDRESS_TYPES = ("FQDN", "IPv4", "IPv6")
PROTOCOLS = ("SCTP", "TCP", "UDP")
ENDPOINTS_MAX, ADDRESSES_MAX, PORTS_MAX, ZONES_MAX = 1000, 100, 20000, 8


def public(value: str, path: str) -> Errors:
    """An address that others can reach; the loopback is reached by all of one machine."""
    if not formats.is_address(value):
        return []
    return [each for each in formats.public_address(value, path) if "loopback" not in each.message]


def validate_endpoints(o: Object) -> Errors:
    """Every subset has addresses, and ports that can be told apart."""
    errors: Errors = []
    for index, subset in enumerate(o.get("subsets") or []):
        path = f"subsets[{index}]"
        if not subset.get("addresses") and not subset.get("notReadyAddresses"):
            errors.append(FieldError.required(path, "must specify `addresses` or `notReadyAddresses`"))
        for field in ("addresses", "notReadyAddresses"):
            for number, address in enumerate(subset.get(field) or []):
                errors += _address(address, f"{path}.{field}[{number}]")
        ports = subset.get("ports") or []
        for number, port in enumerate(ports):
            errors += _port(port, f"{path}.ports[{number}]", named=len(ports) > 1)
    return errors


def _address(address: Any, path: str) -> Errors:
    ip = address.get("ip") or ""
    errors = formats.address(ip, f"{path}.ip")
    if host := address.get("hostname"):
        errors += formats.dns_label(host, f"{path}.hostname")
    if node := address.get("nodeName"):
        errors += formats.dns_subdomain(node, f"{path}.nodeName")
    return errors + public(ip, f"{path}.ip")


def _port(port: Any, path: str, *, named: bool) -> Errors:
    name, protocol = port.get("name") or "", port.get("protocol")
    errors = [FieldError.required(f"{path}.name")] if named and not name else []
    if name:
        errors += formats.dns_label(name, f"{path}.name")
    errors += formats.port_number(port.get("port") or 0, f"{path}.port")
    errors += formats.choice(protocol, f"{path}.protocol", PROTOCOLS)
    return errors + _application(port, path)


def _application(port: Any, path: str) -> Errors:
    name = port.get("appProtocol")
    return formats.qualified_name(name, f"{path}.appProtocol") if name is not None else []


def validate_slice(o: Object) -> Errors:
    """One type of addresses, not too many of anything."""
    kind, endpoints, ports = o.get("addressType") or "", o.get("endpoints") or [], o.get("ports") or []
    errors = formats.choice(kind, "addressType", ADDRESS_TYPES)
    if len(endpoints) > ENDPOINTS_MAX:
        errors.append(FieldError.too_many("endpoints", len(endpoints), ENDPOINTS_MAX))
    else:
        errors += [
            error
            for index, each in enumerate(endpoints)
            for error in _endpoint(each, kind, f"endpoints[{index}]")
        ]
    if len(ports) > PORTS_MAX:
        return [*errors, FieldError.too_many("ports", len(ports), PORTS_MAX)]
    return errors + _slice_ports(ports)


def _endpoint(endpoint: Any, kind: str, path: str) -> Errors:
    addresses, at = endpoint.get("addresses") or [], f"{path}.addresses"
    errors: Errors = []
    if not addresses:
        errors.append(FieldError.required(at, "must contain at least 1 address"))
    elif len(addresses) > ADDRESSES_MAX:
        errors.append(FieldError.too_many(at, len(addresses), ADDRESSES_MAX))
    for index, address in enumerate(addresses):
        errors += _typed(address, kind, f"{at}[{index}]")
    if node := endpoint.get("nodeName"):
        errors += formats.dns_subdomain(node, f"{path}.nodeName")
    topology = endpoint.get("deprecatedTopology") or {}
    errors += names.check_labels(topology, f"{path}.deprecatedTopology")
    if (host := endpoint.get("hostname")) is not None:
        errors += formats.dns_label(host, f"{path}.hostname")
    return errors + _hints(endpoint.get("hints") or {}, f"{path}.hints")


def _typed(address: str, kind: str, path: str) -> Errors:
    if kind == "FQDN":
        return formats.dns_subdomain(address.removesuffix("."), path)
    if kind not in ("IPv4", "IPv6"):
        return []
    if not formats.is_address(address) or (":" in address) != (kind == "IPv6"):
        return [FieldError.invalid(path, address, f"must be a valid {kind} address")]
    return public(address, path)


def _hints(hints: Any, path: str) -> Errors:
    errors: Errors = []
    for field in ("forZones", "forNodes"):
        wanted, seen = hints.get(field) or [], []
        if len(wanted) > ZONES_MAX:
            return [*errors, FieldError.too_many(f"{path}.{field}", len(wanted), ZONES_MAX)]
        for index, each in enumerate(wanted):
            name, at = each.get("name") or "", f"{path}.{field}[{index}].name"
            if name in seen:
                errors.append(FieldError.duplicate(at, name))
            seen.append(name)
            rule = names.dns_subdomain if field == "forNodes" else label_syntax.value_problems
            errors += formats.named(rule, name, at)
    return errors


def _slice_ports(ports: list[Any]) -> Errors:
    errors: Errors = []
    seen: list[str] = []
    for index, port in enumerate(ports):
        path, name = f"ports[{index}]", port.get("name") or ""
        if name:
            errors += formats.dns_label(name, f"{path}.name")
        if name in seen:
            errors.append(FieldError.duplicate(f"{path}.name", name))
        seen.append(name)
        errors += formats.choice(port.get("protocol"), f"{path}.protocol", PROTOCOLS)
        errors += _application(port, path)
    return errors


def slice_changes(new: Object, old: Object) -> Errors:
    """A slice keeps to its type of addresses."""
    return immutable(new, old, "addressType")


ENDPOINTS = Strategy(is_complete=True, creates_on_update=True, validate=validate_endpoints)
ENDPOINT_SLICE = Strategy(
    is_complete=True, counts_generation=True, validate=validate_slice, validate_update=slice_changes
)
