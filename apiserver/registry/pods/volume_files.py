"""Core: volumes whose files the kubelet makes: of keys, of the pod's own fields, of tokens, or of all these.

After: k8s pkg/apis/core/validation/validation.go, validateKeyToPath, validateDownwardAPIVolumeFile,
validateProjectionSources
"""

from __future__ import annotations

from typing import Any

from apiserver.registry import formats, names
from apiserver.registry.pods import container_env
from apiserver.registry.selectors import label_selector
from apiserver.registry.strategy import Errors
from kube.api.errors import FieldError

TOKEN_SECONDS_MIN = 10 * 60
TOKEN_SECONDS_MAX = 2**32
PARTS = ("secret", "configMap", "downwardAPI", "serviceAccountToken", "clusterTrustBundle", "podCertificate")


def keys(named: str, source: Any, path: str) -> Errors:
    """A ConfigMap or a Secret, whose name is in the field `named`."""
    errors = [] if source.get(named) else [FieldError.required(f"{path}.{named}")]
    errors += formats.file_mode(source.get("defaultMode"), f"{path}.defaultMode")
    for index, item in enumerate(source.get("items") or ()):
        errors += _item(item, f"{path}.items[{index}]")
    return errors


def _item(item: Any, path: str) -> Errors:
    errors = [FieldError.required(f"{path}.{field}") for field in ("key", "path") if not item.get(field)]
    errors += formats.file_path(item.get("path") or "", f"{path}.path")
    return errors + formats.file_mode(item.get("mode"), f"{path}.mode")


def downward(source: Any, path: str) -> Errors:
    """Fields of the pod as files; Kubernetes does not say which file is wrong."""
    errors = formats.file_mode(source.get("defaultMode"), f"{path}.defaultMode")
    for item in source.get("items") or ():
        errors += _field_file(item, path)
    return errors


def _field_file(item: Any, path: str) -> Errors:
    where = item.get("path") or ""
    errors = [] if where else [FieldError.required(f"{path}.path")]
    errors += formats.file_path(where, f"{path}.path")
    if "fieldRef" in item:
        at = f"{path}.fieldRef"
        errors += container_env.field_reference(item["fieldRef"], at, container_env.VOLUME_FIELDS)
        if "resourceFieldRef" in item:
            text = "fieldRef and resourceFieldRef can not be specified simultaneously"
            errors.append(FieldError.invalid(path, "resource", text))
    elif "resourceFieldRef" in item:
        at = f"{path}.resourceFieldRef"
        errors += container_env.resource_reference(item["resourceFieldRef"], at, of_volume=True)
    else:
        errors.append(FieldError.required(path, "one of fieldRef and resourceFieldRef is required"))
    return errors + formats.file_mode(item.get("mode"), f"{path}.mode")


def projected(source: Any, path: str) -> Errors:
    """Several sources in one folder, where no file may be made twice."""
    errors = formats.file_mode(source.get("defaultMode"), f"{path}.defaultMode")
    files: set[str] = set()
    for index, part in enumerate(source.get("sources") or ()):
        at = f"{path}.sources[{index}]"
        for kind in ("secret", "configMap"):
            if kind in part:
                errors += _projected_keys(part[kind], f"{at}.{kind}", path, files)
        if "downwardAPI" in part:
            errors += _projected_fields(part["downwardAPI"], f"{at}.downwardAPI", path, files)
        if "serviceAccountToken" in part:
            errors += _token(part["serviceAccountToken"], f"{at}.serviceAccountToken", path)
        if "clusterTrustBundle" in part:
            errors += _trust_bundle(part["clusterTrustBundle"], f"{at}.clusterTrustBundle", path, files)
        if len(part) > 1 and sum(kind in part for kind in PARTS) > 1:
            text = "may not specify more than 1 volume type per source"
            errors.append(FieldError.forbidden(at, text))
    return errors


def _claim_file(where: str, shown: str, path: str, files: set[str]) -> Errors:
    """Note the file; there may be none of that name yet."""
    if where in files:
        return [FieldError.invalid(path, shown, "conflicting duplicate paths")]
    files.add(where)
    return []


def _projected_keys(source: Any, at: str, path: str, files: set[str]) -> Errors:
    name = source.get("name") or ""
    errors = [] if name else [FieldError.required(f"{at}.name")]
    for index, item in enumerate(source.get("items") or ()):
        errors += _item(item, f"{at}.items[{index}]")
        if item.get("path"):
            errors += _claim_file(item["path"], name, path, files)
    return errors


def _projected_fields(source: Any, at: str, path: str, files: set[str]) -> Errors:
    errors: Errors = []
    for item in source.get("items") or ():
        errors += _field_file(item, at)
        if item.get("path"):
            errors += _claim_file(item["path"], item["path"], path, files)
    return errors


def _token(source: Any, at: str, path: str) -> Errors:
    errors: Errors = []
    seconds, where = source.get("expirationSeconds") or 0, source.get("path") or ""
    if seconds < TOKEN_SECONDS_MIN:
        text = "may not specify a duration less than 10 minutes"
        errors.append(FieldError.invalid(f"{at}.expirationSeconds", seconds, text))
    if seconds > TOKEN_SECONDS_MAX:
        text = "may not specify a duration larger than 2^32 seconds"
        errors.append(FieldError.invalid(f"{at}.expirationSeconds", seconds, text))
    if not where:
        errors.append(FieldError.required(f"{path}.path"))
    return errors + formats.file_path(where, f"{path}.path")


def _trust_bundle(source: Any, at: str, path: str, files: set[str]) -> Errors:
    name, signer, where = source.get("name"), source.get("signerName"), source.get("path") or ""
    errors: Errors = []
    if name is not None and signer is not None:
        errors.append(FieldError.invalid(at, source, "only one of name and signerName may be used"))
    elif name is not None:
        if not name:
            errors.append(FieldError.required(f"{at}.name", "must be a valid object name"))
        # A signer's bundles are named after it, up to the last colon.
        for text in names.dns_subdomain(name.rpartition(":")[2]):
            text = f"not a valid clustertrustbundlename: {text}"
            errors.append(FieldError.invalid(f"{at}.name", name, text))
        if "labelSelector" in source:
            text = "labelSelector must be unset if name is specified"
            errors.append(FieldError.invalid(f"{at}.labelSelector", source["labelSelector"], text))
    elif signer is not None:
        if not signer:
            errors.append(FieldError.required(f"{at}.signerName", "must be a valid signer name"))
        errors += label_selector(source.get("labelSelector"), f"{at}.labelSelector")
    else:
        errors.append(FieldError.required(at, "either name or signerName must be specified"))
    errors += [] if where else [FieldError.required(f"{at}.path")]
    errors += formats.file_path(where, f"{at}.path")
    return errors + _claim_file(where, where, path, files)
