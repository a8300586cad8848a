"""Shell: an Ingress that names no class is of the default one.

After: k8s plugin/pkg/admission/network/defaultingressclass/admission.go
"""

from __future__ import annotations

from apiserver.admission.chain import CREATE, Attributes
from apiserver.storage.watch_cache import WatchCache
from kube.api import meta
from kube.api.meta import Object
from kube.api.resources import INGRESS_CLASSES, INGRESSES

DEFAULT_CLASS = "ingressclass.kubernetes.io/is-default-class"
# How a class was named before there was a field.
CLASS_ANNOTATION = "kubernetes.io/ingress.class"


class DefaultIngressClass:
    """Names the class that is marked as default, the youngest if several are."""

    def __init__(self, cache: WatchCache) -> None:
        self._cache = cache

    async def admit(self, attributes: Attributes, o: Object, old: Object | None) -> None:
        if attributes.resource is not INGRESSES or attributes.operation != CREATE or attributes.subresource:
            return
        is_named = meta.get(o, "spec", "ingressClassName") is not None
        # One without a spec is for the validation to refuse.
        if not o.get("spec") or is_named or CLASS_ANNOTATION in meta.annotations(o):
            return
        if (default := self._default()) is not None:
            o["spec"]["ingressClassName"] = meta.name(default)

    def _default(self) -> Object | None:
        classes = (entry.decode() for entry in self._cache.log(INGRESS_CLASSES).objects.values())
        marked = [each for each in classes if meta.annotations(each).get(DEFAULT_CLASS) == "true"]
        return max(sorted(marked, key=meta.name), key=meta.creation_time, default=None)
