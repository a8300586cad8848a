"""Core: how names are looked up in a pod: DNS policy and configuration, its own name, its /etc/hosts.

After: k8s pkg/apis/core/validation/validation.go, validatePodDNSConfig, ValidateHostAliases
"""

from __future__ import annotations

import re
from typing import Any

from apiserver.registry import formats
from apiserver.registry.strategy import Errors
from kube.api.errors import FieldError
from kube.api.meta import Object

POLICIES = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
NAMESERVERS_MAX = 3
SEARCHES_MAX = 32
HOST_NAME_MAX = 64
SEARCH_CHARACTERS_MAX = 2048
LABEL = "[a-z0-9_]([-_a-z0-9]*[a-z0-9_])?"
SUBDOMAIN = rf"{LABEL}(\.{LABEL})*"


def policy(spec: Object, path: str) -> Errors:
    """What is wrong with `dnsPolicy`."""
    wanted = spec.get("dnsPolicy")
    return [] if wanted in POLICIES else formats.choice(wanted, f"{path}.dnsPolicy", POLICIES)


def config(spec: Object, path: str) -> Errors:
    """What is wrong with `dnsConfig`, which policy None cannot do without."""
    wanted = spec.get("dnsConfig")
    if spec.get("dnsPolicy") == "None":
        if wanted is None:
            return [FieldError.required(path, "must provide `dnsConfig` when `dnsPolicy` is None")]
        if not wanted.get("nameservers"):
            text = "must provide at least one DNS nameserver when `dnsPolicy` is None"
            return [FieldError.required(f"{path}.nameservers", text)]
    return [] if wanted is None else _config(wanted, path)


def _config(wanted: Any, path: str) -> Errors:
    servers, searches = wanted.get("nameservers") or [], wanted.get("searches") or []
    errors: Errors = []
    if len(servers) > NAMESERVERS_MAX:
        text = f"must not have more than {NAMESERVERS_MAX} nameservers"
        errors.append(FieldError.invalid(f"{path}.nameservers", servers, text))
    for index, server in enumerate(servers):
        errors += formats.address(server, f"{path}.nameservers[{index}]")
    if len(searches) > SEARCHES_MAX:
        text = f"must not have more than {SEARCHES_MAX} search paths"
        errors.append(FieldError.invalid(f"{path}.searches", searches, text))
    if len(" ".join(searches)) > SEARCH_CHARACTERS_MAX:
        text = f"must not have more than {SEARCH_CHARACTERS_MAX} characters (including spaces) "
        text += "in the search list"
        errors.append(FieldError.invalid(f"{path}.searches", searches, text))
    for index, search in enumerate(searches):
        if search != ".":
            errors += _search(search.removesuffix("."), f"{path}.searches[{index}]")
    for index, option in enumerate(wanted.get("options") or ()):
        if not option.get("name"):
            errors.append(FieldError.required(f"{path}.options[{index}]", "must not be empty"))
    return errors


def _search(domain: str, path: str) -> Errors:
    """A domain, in which underscores may stand too."""
    errors: Errors = []
    if len(domain) > 253:
        errors.append(FieldError.invalid(path, domain, "must be no more than 253 bytes"))
    if not re.fullmatch(SUBDOMAIN, domain):
        text = (
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, "
            "'-', '_' or '.', and must start and end with an alphanumeric character or an underscore "
            f"(e.g. 'example.com', regex used for validation is '{SUBDOMAIN}')"
        )
        errors.append(FieldError.invalid(path, domain, text))
    return errors


def host_name(spec: Any, path: str) -> Errors:
    """What is wrong with `hostnameOverride`, which is there."""
    name, at = spec["hostnameOverride"], f"{path}.hostnameOverride"
    errors = formats.dns_subdomain(name, at)
    if len(name) > HOST_NAME_MAX:
        errors.append(FieldError.too_long(at, HOST_NAME_MAX))
    for field in ("setHostnameAsFQDN", "hostNetwork"):
        if spec.get(field):
            errors.append(FieldError.forbidden(at, f"may not be set when `{field}` is true"))
    return errors


def host_aliases(aliases: list[Any], path: str) -> Errors:
    """What is wrong with `hostAliases`."""
    errors: Errors = []
    for index, alias in enumerate(aliases):
        errors += formats.address(alias.get("ip") or "", f"{path}[{index}].ip")
        for number, name in enumerate(alias.get("hostnames") or ()):
            errors += formats.dns_subdomain(name, f"{path}[{index}].hostnames[{number}]")
    return errors
