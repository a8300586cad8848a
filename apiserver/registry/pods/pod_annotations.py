"""Core: annotations that mean something for a pod: mirrors, what its deletion costs, old security profiles.

After: k8s pkg/apis/core/validation/validation.go, ValidatePodSpecificAnnotations
"""

from __future__ import annotations

import re
from typing import Any

from apiserver.registry.strategy import Errors
from kube.api.errors import FieldError

MIRROR = "kubernetes.io/config.mirror"
DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
APP_ARMOR = "container.apparmor.security.beta.kubernetes.io/"
APP_ARMOR_PROFILES = ("", "runtime/default", "unconfined")
COST = re.compile(r"-?(0|[1-9][0-9]*)")


def check(annotations: Any, spec: Any, path: str) -> Errors:
    """What is wrong with them."""
    errors: Errors = []
    if not annotations:
        return errors
    if MIRROR in annotations and not spec.get("nodeName"):
        text = "must set spec.nodeName if mirror pod annotation is set"
        errors.append(FieldError.invalid(f"{path}[{MIRROR}]", annotations[MIRROR], text))
    cost = annotations.get(DELETION_COST)
    if cost is not None and not (COST.fullmatch(cost) and -(2**31) <= int(cost) < 2**31):
        errors.append(FieldError.invalid(f"{path}[{DELETION_COST}]", cost, "must be a 32bit integer"))
    for key, value in annotations.items():
        if key.startswith(APP_ARMOR):
            errors += _app_armor(key, value, spec, f"{path}[{key}]")
    return errors


def _app_armor(key: str, profile: str, spec: Any, path: str) -> Errors:
    name = key.removeprefix(APP_ARMOR)
    known = [
        each.get("name")
        for field in ("initContainers", "containers", "ephemeralContainers")
        for each in spec.get(field) or ()
    ]
    errors = [] if name in known else [FieldError.invalid(path, name, "container not found")]
    if profile not in APP_ARMOR_PROFILES and not profile.startswith("localhost/"):
        text = f'invalid AppArmor profile name: "{profile}"'
        errors.append(FieldError.invalid(path, profile, text))
    return errors


def changes(new: Any, old: Any, path: str) -> Errors:
    """Those that may not come, change or go once the pod is there."""
    errors: Errors = []
    for key in (*old, *(key for key in new if key not in old)):
        word = "remove or update" if key in old else "add"
        if new.get(key) == old.get(key):
            continue
        if key.startswith(APP_ARMOR):
            errors.append(FieldError.forbidden(f"{path}[{key}]", f"may not {word} AppArmor annotations"))
        if key == MIRROR:
            errors.append(FieldError.forbidden(f"{path}[{key}]", f"may not {word} mirror pod annotation"))
    return errors
