"""Core: what is special about storage classes, and what drivers say of themselves and of nodes.

After: k8s pkg/apis/storage/validation/validation.go
"""

from __future__ import annotations

from typing import Any

from apiserver.registry import formats, names, volume_sources
from apiserver.registry.core_storage import NO_SOURCE
from apiserver.registry.selectors import label_selector
from apiserver.registry.strategy import Errors, Strategy, immutable
from kube.api import meta, quantity
from kube.api.errors import FieldError
from kube.api.meta import Object

PARAMETERS_MAX = 512
PARAMETERS_BYTES_MAX = 256 * 1024
RECLAIM_POLICIES = ("Delete", "Retain")
BINDING_MODES = ("Immediate", "WaitForFirstConsumer")
GROUP_POLICIES = ("File", "None", "ReadWriteOnceWithFSType")
LIFECYCLES = ("Persistent", "Ephemeral")
NODE_ID_BYTES_MAX = 256
DRIVER_NAME_BYTES_MAX = 63
TOKEN_SECONDS_MIN, TOKEN_SECONDS_MAX = 600, 1 << 32
PERIOD_SECONDS_MIN = 10
ONE_SOURCE = "must specify exactly one of inlineVolumeSpec and persistentVolumeName"


def validate_class(o: Object) -> Errors:
    """Who provisions, with which parameters, when."""
    provisioner, parameters = o.get("provisioner") or "", o.get("parameters") or {}
    errors: Errors = []
    if not provisioner:
        errors.append(FieldError.required("provisioner"))
    else:
        errors += formats.qualified_name(provisioner.lower(), "provisioner")
    errors += _parameters(parameters, "parameters")
    errors += formats.optional_choice(o.get("reclaimPolicy"), "reclaimPolicy", RECLAIM_POLICIES)
    errors += formats.choice(o.get("volumeBindingMode"), "volumeBindingMode", BINDING_MODES)
    return errors + _topologies(o.get("allowedTopologies") or [])


def _parameters(parameters: dict[str, str], path: str) -> Errors:
    if len(parameters) > PARAMETERS_MAX:
        return [FieldError.too_long(path, PARAMETERS_MAX)]
    errors = [FieldError.invalid(path, key, "field can not be empty.") for key in parameters if not key]
    if sum(len(key) + len(value) for key, value in parameters.items()) > PARAMETERS_BYTES_MAX:
        errors.append(FieldError.too_long(path, PARAMETERS_BYTES_MAX))
    return errors


def _topologies(terms: list[Any]) -> Errors:
    errors: Errors = []
    seen: list[Any] = []
    for index, term in enumerate(terms):
        path = f"allowedTopologies[{index}].matchLabelExpressions"
        wanted: dict[str, set[str]] = {}
        for number, each in enumerate(term.get("matchLabelExpressions") or []):
            at, key, values = f"{path}[{number}]", each.get("key") or "", each.get("values") or []
            if not values:
                errors.append(FieldError.required(f"{at}.values"))
            for place, value in enumerate(values):
                if value in values[:place]:
                    errors.append(FieldError.duplicate(f"{at}.values[{place}]", value))
            errors += formats.qualified_name(key, f"{at}.key")
            if key in wanted:
                errors.append(FieldError.duplicate(f"{at}.key", key))
            wanted[key] = set(values)
        if wanted in seen:
            errors.append(FieldError.duplicate(path, ""))
        seen.append(wanted)
    return errors


def class_changes(new: Object, old: Object) -> Errors:
    """Volumes were made with it."""
    errors: Errors = []
    for field in ("parameters", "provisioner", "reclaimPolicy"):
        if (new.get(field) or {}) != (old.get(field) or {}):
            errors.append(FieldError.forbidden(field, f"updates to {field} are forbidden."))
    return errors + immutable(new, old, "volumeBindingMode")


def validate_driver(o: Object) -> Errors:
    """What kubelets and schedulers rely on."""
    spec = o.get("spec") or {}
    errors = [
        FieldError.required(f"spec.{shown}")
        for field, shown in (("attachRequired", "attachedRequired"), ("podInfoOnMount", "podInfoOnMount"))
        if field not in spec
    ]
    if "storageCapacity" not in spec:
        errors.append(FieldError.required("spec.storageCapacity"))
    errors += formats.optional_choice(spec.get("fsGroupPolicy"), "spec.fsGroupPolicy", GROUP_POLICIES)
    errors += _token_requests(spec.get("tokenRequests") or [])
    for mode in spec.get("volumeLifecycleModes") or []:
        errors += formats.optional_choice(mode, "spec.volumeLifecycleModes", LIFECYCLES)
    if "seLinuxMount" not in spec:
        errors.append(FieldError.required("spec.seLinuxMount"))
    period = spec.get("nodeAllocatableUpdatePeriodSeconds")
    if period is not None and period < PERIOD_SECONDS_MIN:
        text = "must be greater than or equal to 10 seconds"
        errors.append(FieldError.invalid("spec.nodeAllocatableUpdatePeriodSeconds", period, text))
    return errors


def _token_requests(requests: list[Any]) -> Errors:
    errors: Errors = []
    seen: list[str] = []
    for index, each in enumerate(requests):
        path, audience, seconds = (
            f"spec.tokenRequests[{index}]",
            each.get("audience") or "",
            each.get("expirationSeconds"),
        )
        if audience in seen:
            errors.append(FieldError.duplicate(f"{path}.audience", audience))
            continue
        seen.append(audience)
        if seconds is not None and seconds < TOKEN_SECONDS_MIN:
            text = "may not specify a duration less than 10 minutes"
            errors.append(FieldError.invalid(f"{path}.expirationSeconds", seconds, text))
        if seconds is not None and seconds > TOKEN_SECONDS_MAX:
            text = "may not specify a duration larger than 2^32 seconds"
            errors.append(FieldError.invalid(f"{path}.expirationSeconds", seconds, text))
    return errors


def driver_changes(new: Object, old: Object) -> Errors:
    """How volumes are attached stays; the path is spelt as Kubernetes spells it."""
    found = immutable(new, old, "spec.attachRequired", "spec.volumeLifecycleModes")
    spelt = {"spec.attachRequired": "spec.attachedRequired"}
    return [FieldError(spelt.get(each.field, each.field), each.reason, each.message) for each in found]


def validate_csi_node(o: Object) -> Errors:
    """Each driver once, by a proper name."""
    errors: Errors = []
    seen: list[str] = []
    for index, driver in enumerate(meta.get(o, "spec", "drivers", default=[])):
        path, name = f"spec.drivers[{index}]", driver.get("name") or ""
        errors += _driver_name(name, f"{path}.name") + _node_id(driver.get("nodeID") or "", f"{path}.nodeID")
        errors += formats.non_negative(meta.get(driver, "allocatable", "count"), f"{path}.allocatable.count")
        if name in seen:
            errors.append(FieldError.duplicate(f"{path}.name", name))
        seen.append(name)
        keys = driver.get("topologyKeys") or []
        for number, key in enumerate(keys):
            if not key:
                errors.append(FieldError.required(path))
            if key in keys[:number]:
                errors.append(FieldError.duplicate(path, key))
            errors += formats.qualified_name(key, path)
    return errors


def _driver_name(name: str, path: str) -> Errors:
    errors: Errors = [] if name else [FieldError.required(path)]
    if len(name) > DRIVER_NAME_BYTES_MAX:
        errors.append(FieldError.too_long(path, DRIVER_NAME_BYTES_MAX))
    return errors + formats.dns_subdomain(name.lower(), path)


def _node_id(value: str, path: str) -> Errors:
    errors: Errors = [] if value else [FieldError.required(path)]
    if len(value) > NODE_ID_BYTES_MAX:
        text = f"must be {NODE_ID_BYTES_MAX} characters or less"
        errors.append(FieldError.invalid(path, value, text))
    return errors


def csi_node_changes(new: Object, old: Object) -> Errors:
    """A driver that is registered changes only how much it can hold."""

    def fixed(o: Object) -> dict[str, Any]:
        drivers = meta.get(o, "spec", "drivers", default=[])
        return {each.get("name"): {k: v for k, v in each.items() if k != "allocatable"} for each in drivers}

    before, after = fixed(old), fixed(new)
    return [
        FieldError.invalid("spec.drivers", after[name], "field is immutable")
        for name in before
        if name in after and before[name] != after[name]
    ]


def validate_attachment(o: Object) -> Errors:
    """What is to be attached where, by whom."""
    spec = o.get("spec") or {}
    source, attacher = spec.get("source") or {}, spec.get("attacher") or ""
    name, inline = source.get("persistentVolumeName"), source.get("inlineVolumeSpec")
    errors: Errors = [] if attacher else [FieldError.required("spec.attacher")]
    if inline is None and name is None:
        errors.append(FieldError.required("spec.source", ONE_SOURCE))
    elif inline is not None and name is not None:
        errors.append(FieldError.forbidden("spec.source", ONE_SOURCE))
    elif name == "":
        text = "must specify non empty persistentVolumeName"
        errors.append(FieldError.required("spec.source.persistentVolumeName", text))
    elif inline is not None:
        sources = {key: value for key, value in inline.items() if key not in NO_SOURCE}
        errors += volume_sources.validate(sources, "spec.source.inlineVolumeSpec", has_affinity=True)
    return errors + formats.dns_subdomain(spec.get("nodeName") or "", "spec.nodeName")


def new_attachment(o: Object) -> Errors:
    """Its attacher is a driver, its volume has a name."""
    spec = o.get("spec") or {}
    errors = _driver_name(spec.get("attacher") or "", "spec.attacher")
    name = meta.get(spec, "source", "persistentVolumeName")
    return errors + (formats.dns_subdomain(name, "spec.source.persistentVolumeName") if name else [])


def validate_capacity(o: Object) -> Errors:
    """How much of a class there is in some part of the cluster."""
    errors = label_selector(o.get("nodeTopology"), "nodeTopology")
    errors += formats.dns_subdomain(o.get("storageClassName") or "", "storageClassName")
    amount = o.get("capacity")
    if amount is not None and quantity.parse(amount) < quantity.ZERO:
        errors.append(FieldError.invalid("capacity", amount, "must be greater than or equal to 0"))
    return errors


def capacity_changes(new: Object, old: Object) -> Errors:
    """What was asked for stays; the answer changes."""
    return immutable(new, old, "nodeTopology", "storageClassName")


STORAGE_CLASS = Strategy(
    is_complete=True,
    returns_deleted=True,
    validate=validate_class,
    validate_update=class_changes,
    name_errors=names.dns_subdomain,
)
CSI_DRIVER = Strategy(
    is_complete=True,
    counts_generation=True,
    needs_version=True,
    returns_deleted=True,
    validate=validate_driver,
    validate_update=driver_changes,
)
CSI_NODE = Strategy(
    is_complete=True,
    needs_version=True,
    returns_deleted=True,
    validate=validate_csi_node,
    validate_update=csi_node_changes,
)
CSI_STORAGE_CAPACITY = Strategy(
    is_complete=True, needs_version=True, validate=validate_capacity, validate_update=capacity_changes
)
VOLUME_ATTACHMENT = Strategy(
    is_complete=True,
    needs_version=True,
    returns_deleted=True,
    validate=validate_attachment,
    validate_create=new_attachment,
    validate_update=lambda new, old: immutable(new, old, "spec"),
)
