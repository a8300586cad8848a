"""Core: what is special about IPAddresses and ServiceCIDRs: names that are addresses, references that stay.

After: k8s pkg/apis/networking/validation/validation.go, ValidateIPAddress and ValidateServiceCIDR
"""

from __future__ import annotations

import ipaddress

from apiserver.registry.strategy import Errors, Strategy
from kube.api import meta
from kube.api.errors import FieldError
from kube.api.meta import Object

REFERENCE = "spec.parentRef"
CIDR_RULE = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"


def canonical_address(name: str) -> list[str]:
    """An address has one name."""
    try:
        if str(ipaddress.ip_address(name)) == name:
            return []
    except ValueError:
        pass
    return ["must be a valid IP address in canonical form"]


def validate_address(o: Object) -> Errors:
    """It says whose it is."""
    reference = meta.get(o, "spec", "parentRef", default=None)
    if not reference:
        return [FieldError.required(REFERENCE, "")]
    return [
        FieldError.required(f"{REFERENCE}.{part}", "")
        for part in ("resource", "name")
        if not reference.get(part)
    ]


def address_changes(new: Object, old: Object) -> Errors:
    """An address is given back, not handed on."""
    if new.get("spec") == old.get("spec"):
        return []
    return [
        FieldError.invalid(REFERENCE, meta.get(new, "spec", "parentRef", default={}), "field is immutable")
    ]


def validate_cidrs(o: Object) -> Errors:
    """One network, or one of each family."""
    cidrs = meta.get(o, "spec", "cidrs", default=[]) or []
    if not cidrs:
        return [FieldError.required("spec.cidrs", "at least one CIDR required")]
    return [
        FieldError.invalid(f"spec.cidrs[{index}]", cidr, CIDR_RULE)
        for index, cidr in enumerate(cidrs)
        if not _is_network(cidr)
    ]


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text)
    except ValueError:
        return False
    return "/" in text


IP_ADDRESS = Strategy(
    name_errors=canonical_address, validate=validate_address, validate_update=address_changes
)
SERVICE_CIDR = Strategy(validate=validate_cidrs)
