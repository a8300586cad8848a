"""Shell: nobody shows himself, through a policy's messages, parameters that he may not read.

After: k8s pkg/registry/admissionregistration/validatingadmissionpolicy{,binding}/authz.go
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apiserver.admission.chain import CREATE, UPDATE, Attributes
from apiserver.authorization.authorizer import Authorizer
from apiserver.request import RequestInfo
from apiserver.storage.watch_cache import WatchCache
from kube.api import errors
from kube.api.errors import FieldError, quote
from kube.api.gvk import parse_api_version
from kube.api.meta import Object
from kube.api.resources import (
    VALIDATING_ADMISSION_POLICIES,
    VALIDATING_ADMISSION_POLICY_BINDINGS,
    by_kind,
)

KINDS = (VALIDATING_ADMISSION_POLICIES, VALIDATING_ADMISSION_POLICY_BINDINGS)
ANY = "*"


class ParamAccess:
    """Asks the authorizer about what a policy's paramKind and a binding's paramRef name."""

    def __init__(self, cache: WatchCache, authorizer: Authorizer) -> None:
        self._cache, self._authorizer = cache, authorizer

    async def validate(self, attributes: Attributes, o: Object, old: Object | None) -> None:
        if attributes.resource not in KINDS or attributes.operation not in (CREATE, UPDATE):
            return
        if attributes.subresource or attributes.user.is_master:
            return
        if attributes.resource is VALIDATING_ADMISSION_POLICIES:
            self._check_kind(attributes, o["spec"].get("paramKind"), (old or {}).get("spec") or {})
        else:
            self._check_reference(attributes, o["spec"], (old or {}).get("spec") or {})

    def _check_kind(
        self, attributes: Attributes, kind: Mapping[str, Any] | None, old: Mapping[str, Any]
    ) -> None:
        if kind is None or kind == old.get("paramKind") or self._may(attributes, kind, ANY, ANY):
            return
        why = (
            f'user {quote(attributes.user.name)} must have "get" permission on all objects of the referenced '
        )
        why += f"paramKind (kind={kind['kind']}, apiVersion={kind['apiVersion']})"
        raise _refusal(attributes, "spec.paramKind", why)

    def _check_reference(
        self, attributes: Attributes, spec: Mapping[str, Any], old: Mapping[str, Any]
    ) -> None:
        reference = spec.get("paramRef")
        same = all(spec.get(part) == old.get(part) for part in ("paramRef", "policyName"))
        if reference is None or same:
            return
        policy = self._cache.get(VALIDATING_ADMISSION_POLICIES, "", spec["policyName"])
        kind = policy.decode()["spec"].get("paramKind") if policy is not None else None
        if not self._may(attributes, kind, reference.get("namespace") or "", reference.get("name") or ""):
            why = (
                f'user {quote(attributes.user.name)} does not have "get" permission on the object referenced '
            )
            raise _refusal(attributes, "spec.paramRef", f"{why}by paramRef")

    def _may(self, attributes: Attributes, kind: Mapping[str, Any] | None, namespace: str, name: str) -> bool:
        group = version = plural = ANY
        if kind is not None:
            group, version = parse_api_version(kind["apiVersion"])
            resource = by_kind(kind["apiVersion"], kind["kind"])
            plural = resource.plural if resource else ANY
        info = RequestInfo("", "get", group, version, namespace, plural, name)
        return self._authorizer.allows(attributes.user, info)


def _refusal(attributes: Attributes, path: str, why: str) -> errors.StatusError:
    return errors.invalid(attributes.resource.gvk, attributes.name, [FieldError.forbidden(path, why)])
