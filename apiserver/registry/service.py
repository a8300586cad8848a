"""Core: what is special about Services: names that become DNS names, ports, addresses that stay.

The addresses themselves are given out by apiserver/allocation/, in the admission chain.

After: k8s pkg/registry/core/service/strategy.go; pkg/apis/core/validation/validation.go, ValidateService
"""

from __future__ import annotations

from apiserver.registry import names
from apiserver.registry.strategy import Errors, Strategy, duplicates, within
from kube.api import meta
from kube.api.errors import FieldError
from kube.api.meta import Object

TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
PROTOCOLS = ("SCTP", "TCP", "UDP")
AFFINITIES = ("ClientIP", "None")


def prepare_create(o: Object) -> None:
    """No load balancer has answered yet."""
    o["status"] = {"loadBalancer": {}}


def prepare_update(new: Object, old: Object) -> None:
    """An address left out is the address it had; a change of type drops what the new type has not."""
    spec, before = new.setdefault("spec", {}), old.get("spec") or {}
    if spec.get("type") == "ExternalName":
        for field in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"):
            spec.pop(field, None)
    elif before.get("type") != "ExternalName":
        for field in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"):
            if not spec.get(field) and before.get(field):
                spec[field] = meta.deep_copy(before[field])
    if spec.get("type") not in ("NodePort", "LoadBalancer"):
        spec.pop("externalTrafficPolicy", None)
        if before.get("type") in ("NodePort", "LoadBalancer"):
            for port in spec.get("ports") or []:
                port.pop("nodePort", None)
        spec.pop("allocateLoadBalancerNodePorts", None)
    else:
        _keep_node_ports(spec, before)


def _keep_node_ports(spec: Object, before: Object) -> None:
    known = {
        (each.get("protocol"), each.get("port")): each.get("nodePort") for each in before.get("ports") or []
    }
    for port in spec.get("ports") or []:
        node_port = known.get((port.get("protocol"), port.get("port")))
        if not port.get("nodePort") and node_port:
            port["nodePort"] = node_port


def validate(o: Object) -> Errors:
    """What is wrong with a Service."""
    spec = o.get("spec") or {}
    kind, ports = spec.get("type"), spec.get("ports") or []
    errors: Errors = []
    if kind not in TYPES:
        errors.append(FieldError.not_supported("spec.type", kind or "", TYPES))
    if spec.get("sessionAffinity") not in AFFINITIES:
        errors.append(
            FieldError.not_supported("spec.sessionAffinity", spec.get("sessionAffinity") or "", AFFINITIES)
        )
    if not ports and kind != "ExternalName" and spec.get("clusterIP") != "None":
        errors.append(FieldError.required("spec.ports"))
    if kind == "ExternalName" and not spec.get("externalName"):
        errors.append(FieldError.required("spec.externalName"))
    elif kind == "ExternalName":
        host = str(spec["externalName"]).rstrip(".")
        errors += [FieldError.invalid("spec.externalName", host, each) for each in names.dns_subdomain(host)]
    if spec.get("clusterIP") == "None" and kind in ("NodePort", "LoadBalancer"):
        text = f"may not be set to 'None' for {kind} services"
        errors.append(FieldError.invalid("spec.clusterIPs[0]", "None", text))
    for index, port in enumerate(ports):
        errors += _port(port, f"spec.ports[{index}]", named=len(ports) > 1)
    errors += duplicates([each["name"] for each in ports if each.get("name")], "spec.ports", ".name")
    numbers = [(each.get("protocol"), each.get("port")) for each in ports]
    for index, number in enumerate(numbers):
        if number in numbers[:index]:
            shown = {"port": number[1], "protocol": number[0]}
            errors.append(FieldError.duplicate(f"spec.ports[{index}]", shown))
    return errors + names.check_labels(spec.get("selector") or {}, "spec.selector")


def _port(port: Object, path: str, *, named: bool) -> Errors:
    errors = within(port.get("port") or 0, f"{path}.port", 1, 65535)
    name = port.get("name")
    if named and not name:
        errors.append(FieldError.required(f"{path}.name"))
    if name:
        errors += [FieldError.invalid(f"{path}.name", name, each) for each in names.dns_label(name)]
    if port.get("protocol") not in PROTOCOLS:
        errors.append(FieldError.not_supported(f"{path}.protocol", port.get("protocol") or "", PROTOCOLS))
    if isinstance(port.get("targetPort"), int):
        errors += within(port["targetPort"], f"{path}.targetPort", 1, 65535)
    return errors


def validate_update(new: Object, old: Object) -> Errors:
    """An address, once given, stays while the Service needs one."""
    before, after = meta.get(old, "spec", "clusterIP"), meta.get(new, "spec", "clusterIP")
    kinds = (meta.get(old, "spec", "type"), meta.get(new, "spec", "type"))
    if before and after != before and "ExternalName" not in kinds:
        text = "may not change once set"
        return [FieldError.invalid("spec.clusterIPs[0]", after or "", text)]
    return []


STRATEGY = Strategy(
    name_errors=names.dns_1035_label,
    creates_on_update=True,
    returns_deleted=True,
    prepare_create=prepare_create,
    prepare_update=prepare_update,
    validate=validate,
    validate_update=validate_update,
)
