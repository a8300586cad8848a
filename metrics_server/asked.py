"""Core: what a request asks for, and the right that it needs.

    /apis/metrics.k8s.io/v1beta1/nodes[/{name}]
    /apis/metrics.k8s.io/v1beta1/[namespaces/{namespace}/]pods[/{name}]
    all other paths: documents

After: k8s staging/src/k8s.io/apiserver/pkg/endpoints/request/requestinfo.go
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kube.api import errors
from kube.api.errors import StatusError
from kube.api.meta import Object
from kube.api.resources import Resource
from kube.api.reviews import Caller
from metrics_server.kinds import GROUP, KINDS, VERSION

ROOT = f"/apis/{GROUP}/{VERSION}/"
VERBS = {"GET": "get", "HEAD": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


@dataclass(frozen=True, slots=True)
class Asked:
    """One request. plural: empty for a document; rest: what stands behind the name."""

    path: str
    verb: str
    plural: str = ""
    namespace: str = ""
    name: str = ""
    rest: str = ""

    @property
    def kind(self) -> Resource:
        """The kind asked for; StatusError 404 where there is none, 405 where it has no such verb."""
        found = next((each for each in KINDS if each.plural == self.plural), None)
        if found is None or self.rest or (self.namespace and not found.namespaced):
            raise errors.no_such_resource()
        if self.verb not in found.verbs or (self.name and found.namespaced and not self.namespace):
            raise errors.method_not_allowed()
        return found

    def attributes(self) -> Object:
        """What the API server is asked about."""
        if not self.plural:
            return {"nonResourceAttributes": {"path": self.path, "verb": self.verb}}
        asked = {
            "group": GROUP,
            "version": VERSION,
            "resource": self.plural,
            "subresource": self.rest,
            "verb": self.verb,
            "namespace": self.namespace,
            "name": self.name,
        }
        return {"resourceAttributes": {key: value for key, value in asked.items() if value}}

    def forbidden(self, caller: Caller) -> StatusError:
        """The refusal, as Kubernetes words it."""
        if not self.plural:
            return errors.forbidden_path(f'User "{caller.name}" cannot {self.verb} path "{self.path}"')
        why = f'User "{caller.name}" cannot {self.verb} resource "{self.plural}" in API group "{GROUP}"'
        where = f' in the namespace "{self.namespace}"' if self.namespace else " at the cluster scope"
        return errors.forbidden(Resource(GROUP, VERSION, self.plural, "", True), self.name, why + where)


def parse(method: str, path: str, query: Mapping[str, str]) -> Asked:
    """What is asked for."""
    if not path.startswith(ROOT) or not path.removeprefix(ROOT):
        return Asked(path, method.lower())
    parts, namespace = path.removeprefix(ROOT).strip("/").split("/"), ""
    if parts[0] == "namespaces" and len(parts) > 2:
        namespace, parts = parts[1], parts[2:]
    plural, name, rest = parts[0], "/".join(parts[1:2]), "/".join(parts[2:])
    verb = VERBS.get(method, method.lower())
    if verb == "get" and not name:
        verb = "watch" if query.get("watch", "0").lower() not in ("0", "false") else "list"
    elif verb == "delete" and not name:
        verb = "deletecollection"
    return Asked(path, verb, plural, namespace, name, rest)
