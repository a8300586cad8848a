"""Core: the rules for metadata that hold for every kind, at create and at update.

After: k8s staging/src/k8s.io/apimachinery/pkg/api/validation/objectmeta.go
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from apiserver.registry import names
from apiserver.registry.strategy import Errors
from kube.api import meta
from kube.api.errors import FieldError
from kube.api.meta import Object
from kube.api.resources import Resource

IMMUTABLE = "field is immutable"
# Finalizers of the system's own, allowed without a domain.
PLAIN_FINALIZERS = ("kubernetes", "orphan", "foregroundDeletion")


def validate(resource: Resource, o: Object, name_errors: Callable[[str], list[str]]) -> Errors:
    """What is wrong with an object's metadata."""
    metadata = meta.metadata(o)
    errors: Errors = []
    name, base = metadata.get("name"), metadata.get("generateName")
    if base:
        # A trailing dash is fine: the suffix follows it.
        masked = base[:-2] + "a" if len(base) > 1 and base.endswith("-") else base
        errors += [FieldError.invalid("metadata.generateName", base, each) for each in name_errors(masked)]
    if not name:
        errors.append(FieldError.required("metadata.name", "name or generateName is required"))
    else:
        errors += [FieldError.invalid("metadata.name", name, error) for error in name_errors(name)]
    if resource.namespaced:
        space = metadata.get("namespace") or ""
        errors += [FieldError.invalid("metadata.namespace", space, each) for each in names.dns_label(space)]
    elif metadata.get("namespace"):
        errors.append(FieldError.forbidden("metadata.namespace", "not allowed on this type"))
    errors += names.check_labels(meta.labels(o), "metadata.labels")
    errors += names.check_annotations(meta.annotations(o), "metadata.annotations")
    return errors + _owner_errors(o) + _finalizer_errors(o) + _manager_errors(o)


def _owner_errors(o: Object) -> Errors:
    errors: Errors = []
    path, controller = "metadata.ownerReferences", ""
    owners = meta.owner_references(o)
    for owner in owners:
        version = owner.get("apiVersion") or ""
        if not version.rpartition("/")[2]:
            errors.append(FieldError.invalid(f"{path}.apiVersion", version, "version must not be empty"))
        for part in ("kind", "name", "uid"):
            if not owner.get(part):
                errors.append(FieldError.invalid(f"{path}.{part}", "", "must not be empty"))
        if (version, owner.get("kind")) == ("v1", "Event"):
            text = "/v1, Kind=Event is disallowed from being an owner"
            errors.append(FieldError.invalid(path, owner, text))
        if owner.get("controller"):
            this = f"{owner.get('kind')}/{owner.get('name')}"
            if controller:
                text = "Only one reference can have Controller set to true. "
                text += f'Found "true" in references for {controller} and {this}'
                errors.append(FieldError.invalid(path, owners, text))
            controller = controller or this
    return errors


def _finalizer_errors(o: Object) -> Errors:
    path, finalizers = "metadata.finalizers", meta.finalizers(o)
    errors = [
        FieldError.invalid(path, each, text) for each in finalizers for text in names.qualified_name(each)
    ]
    if "orphan" in finalizers and "foregroundDeletion" in finalizers:
        text = "finalizer orphan and foregroundDeletion cannot be both set"
        errors.append(FieldError.invalid(path, finalizers, text))
    for index, finalizer in enumerate(finalizers):
        errors += _plain_name(finalizer, f"{path}[{index}]")
    return errors


def _plain_name(finalizer: str, path: str) -> Errors:
    if "/" in finalizer or finalizer in PLAIN_FINALIZERS:
        return []
    text = "name is neither a standard finalizer name nor is it fully qualified"
    return [FieldError.invalid(path, finalizer, text)]


def finalizer_errors(finalizers: Sequence[str], path: str) -> Errors:
    """What is wrong with names of finalizers that are not an object's own."""
    errors: Errors = []
    for finalizer in finalizers:
        errors += [FieldError.invalid(path, finalizer, text) for text in names.qualified_name(finalizer)]
        errors += _plain_name(finalizer, path)
    return errors


def _manager_errors(o: Object) -> Errors:
    errors: Errors = []
    for index, entry in enumerate(meta.metadata(o).get("managedFields") or []):
        path = f"metadata.managedFields[{index}]"
        if entry and entry.get("operation") not in ("Apply", "Update"):
            said = entry.get("operation") or ""
            errors.append(FieldError.invalid(f"{path}.operation", said, "must be `Apply` or `Update`"))
        if entry.get("fieldsType") not in (None, "", "FieldsV1"):
            errors.append(FieldError.invalid(f"{path}.fieldsType", entry["fieldsType"], "must be `FieldsV1`"))
        errors += names.manager(entry.get("manager") or "", f"{path}.manager")
    return errors


def restore(new: Object, old: Object) -> None:
    """Put back what clients leave out but may not change."""
    metadata, former = new.setdefault("metadata", {}), old["metadata"]
    for part in ("uid", "creationTimestamp", "generation", "deletionTimestamp", "deletionGracePeriodSeconds"):
        own = part in ("creationTimestamp", "generation") or (part == "deletionTimestamp" and part in former)
        if own or not metadata.get(part):
            metadata.pop(part, None)
            if part in former:
                metadata[part] = former[part]
    metadata.pop("selfLink", None)
    if metadata.get("managedFields") is None and "managedFields" in former:
        metadata["managedFields"] = meta.deep_copy(former["managedFields"])


def validate_update(new: Object, old: Object) -> Errors:
    """What may not change in metadata."""
    errors: Errors = []
    for part in (
        "name",
        "namespace",
        "uid",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
    ):
        value = new["metadata"].get(part)
        if not same(part, value, old["metadata"].get(part)):
            errors.append(FieldError.invalid(f"metadata.{part}", value, IMMUTABLE))
    if meta.is_terminating(old):
        added = [each for each in meta.finalizers(new) if each not in meta.finalizers(old)]
        if added:
            text = "no new finalizers can be added if the object is being deleted, "
            text += f"found new finalizers {_go_strings(added)}"
            errors.append(FieldError.forbidden("metadata.finalizers", text))
    return errors


def _go_strings(values: list[str]) -> str:
    shown = ", ".join(f'"{each}"' for each in values)
    return f"[]string{{{shown}}}"


def same(part: str, value: object, former: object) -> bool:
    """Equality of metadata fields; times are compared as instants, for clients write them differently."""
    if value == former:
        return True
    if not part.endswith("Timestamp") or not isinstance(value, str) or not isinstance(former, str):
        return False
    try:
        return meta.parse_time(value) == meta.parse_time(former)
    except ValueError:
        return False
