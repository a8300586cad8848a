"""Shell: every pod runs as a ServiceAccount and finds its token in a volume.

After: k8s plugin/pkg/admission/serviceaccount/admission.go
"""

from __future__ import annotations

from random import Random
from typing import Any

from apiserver.admission.chain import CREATE, Attributes
from apiserver.storage.watch_cache import WatchCache
from kube.api import errors, hashing, meta
from kube.api.meta import Object
from kube.api.resources import PODS, SERVICE_ACCOUNTS

MOUNT_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
VOLUME_PREFIX = "kube-api-access-"
TOKEN_SECONDS = 3607


class ServiceAccount:
    """Names the account `default` where none is named, and mounts its token."""

    def __init__(self, cache: WatchCache, random: Random) -> None:
        self._cache, self._random = cache, random

    async def admit(self, attributes: Attributes, o: Object, old: Object | None) -> None:
        if attributes.resource is not PODS or attributes.operation != CREATE or attributes.subresource:
            return
        spec = o["spec"]
        if "kubernetes.io/config.mirror" in meta.annotations(o):
            return
        name = spec.get("serviceAccountName") or "default"
        spec["serviceAccountName"] = spec["serviceAccount"] = name
        account = await self._account(attributes, name)
        mounts = spec.get("automountServiceAccountToken", account.get("automountServiceAccountToken", True))
        if mounts is not False:
            self._mount(spec)
        if "imagePullSecrets" not in spec and account.get("imagePullSecrets"):
            spec["imagePullSecrets"] = meta.deep_copy(account["imagePullSecrets"])

    async def _account(self, attributes: Attributes, name: str) -> Object:
        space = attributes.namespace
        entry = await self._cache.find(SERVICE_ACCOUNTS, space, name)
        if entry is None:
            why = f'error looking up service account {space}/{name}: serviceaccount "{name}" not found'
            raise errors.forbidden(PODS, attributes.name, why)
        return entry.decode()

    def _mount(self, spec: Object) -> None:
        """Mount the token into every container that has nothing there of its own."""
        volume = next((each["name"] for each in spec.get("volumes") or [] if _is_access(each)), None)
        name = volume or VOLUME_PREFIX + hashing.random_suffix(self._random.choice)
        mounted = False
        for field in ("initContainers", "containers"):
            for container in spec.get(field) or []:
                mounts = container.setdefault("volumeMounts", [])
                if any(each.get("mountPath") == MOUNT_PATH for each in mounts):
                    continue
                mounts.append({"name": name, "readOnly": True, "mountPath": MOUNT_PATH})
                mounted = True
        if mounted and volume is None:
            spec.setdefault("volumes", []).append(token_volume(name))


def _is_access(volume: Any) -> bool:
    return str(volume.get("name", "")).startswith(VOLUME_PREFIX)


def token_volume(name: str) -> Object:
    """The volume with token, certificate authority and namespace."""
    field = {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}
    authority = {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}
    sources = [
        {"serviceAccountToken": {"expirationSeconds": TOKEN_SECONDS, "path": "token"}},
        {"configMap": authority},
        {"downwardAPI": {"items": [field]}},
    ]
    return {"name": name, "projected": {"sources": sources, "defaultMode": 420}}
