"""Core: OpenAPI v3: an index at `/openapi/v3`, and a document for each group version, made when asked for.

kubectl validates, merges and explains by these documents. It looks for: a `patch` operation with the kind
and a `fieldValidation` parameter (else `create -f` gives up), the content types of that operation's body
(else apply sends a plain merge patch), `get` operations with the kind (else no `explain`), and the schemas
with their merge keys. The published schemas mark everything nullable; that is taken out. kubectl caches by
the hash in the index's URL, so the hash changes with the content.

After: k8s staging/src/k8s.io/apiserver/pkg/endpoints/installer.go; k8s.io/kube-openapi/pkg/handler3.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kube.api.gvk import GroupVersionKind
from kube.api.meta import Object
from kube.api.resources import Resource
from kube.api.schema import REFERENCE, VERSION_FOLDER, Schemas

INFO = {"title": "Kubernetes", "version": "v1.36.0"}
# Raised by whoever changes what documents look like: clients keep them by their hash.
FORMAT = 2

PATCH_TYPES = (
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
)
QUERY = {
    "dryRun": "string",
    "fieldManager": "string",
    "fieldValidation": "string",
    "force": "boolean",
    "labelSelector": "string",
    "fieldSelector": "string",
    "limit": "integer",
    "continue": "string",
    "resourceVersion": "string",
    "watch": "boolean",
    "timeoutSeconds": "integer",
}
WRITE_QUERY = ("dryRun", "fieldManager", "fieldValidation")
LIST_QUERY = (
    "labelSelector",
    "fieldSelector",
    "limit",
    "continue",
    "resourceVersion",
    "watch",
    "timeoutSeconds",
)


def group_paths(resources: Iterable[Resource]) -> dict[str, tuple[str, str]]:
    """`api/v1` or `apis/apps/v1` -> group and version."""
    return {
        (f"apis/{each.group}/{each.version}" if each.group else f"api/{each.version}"): (
            each.group,
            each.version,
        )
        for each in resources
    }


def hash_of(content: bytes) -> str:
    """The name of a content, short enough for URLs and ETags."""
    return hashlib.sha256(content).hexdigest()[:32].upper()


def content_hash(resources: Sequence[Resource], group: str, version: str) -> str:
    """A hash of what a document is made from: quicker than the document, and as telling."""
    members = [each for each in resources if (each.group, each.version) == (group, version)]
    return hash_of(repr((FORMAT, VERSION_FOLDER, members)).encode())


def index(resources: Sequence[Resource]) -> Object:
    """The answer to `GET /openapi/v3`."""
    paths = {
        path: {"serverRelativeURL": f"/openapi/v3/{path}?hash={content_hash(resources, group, version)}"}
        for path, (group, version) in group_paths(resources).items()
    }
    paths["version"] = {"serverRelativeURL": f"/openapi/v3/version?hash={hash_of(bytes([FORMAT]))}"}
    return {"paths": paths}


def version_document() -> Object:
    """The document of `/version`, which is of no group."""
    answer = {"description": "OK", "content": {"application/json": {"schema": {"type": "object"}}}}
    return whole_document({"/version/": {"get": {"responses": {"200": answer}}}}, {})


def whole_document(paths: Object, schemas: Object) -> Object:
    """The frame around paths and schemas."""
    return {"openapi": "3.0.0", "info": INFO, "paths": paths, "components": {"schemas": schemas}}


def document(resources: Sequence[Resource], group: str, version: str, schemas: Schemas) -> Object | None:
    """The OpenAPI 3.0 document of a group version, or None when nothing is served there."""
    members = [each for each in resources if (each.group, each.version) == (group, version)]
    if not members:
        return None
    builder = Builder(schemas)
    paths: Object = {}
    for resource in members:
        paths |= builder.paths(resource)
    return whole_document(paths, builder.components())


class Builder:
    """Collects the definitions that paths refer to, and then those that they refer to."""

    def __init__(self, schemas: Schemas) -> None:
        self.schemas = schemas
        self.wanted: dict[str, None] = {}

    def reference(self, gvk: GroupVersionKind) -> Object:
        """A reference to a kind's schema; a kind without one is any object."""
        name = self.schemas.definition_name(gvk)
        if name is None:
            return {"type": "object"}
        self.wanted[name] = None
        return {"$ref": f"#/components/schemas/{name}"}

    def components(self) -> Object:
        """The wanted definitions and all that they need."""
        return {name: published(self.schemas.definitions[name]) for name in self.needed()}

    def needed(self) -> list[str]:
        """The names of the wanted definitions and of all that they need."""
        found: set[str] = set()
        queue = list(self.wanted)
        while queue:
            name = queue.pop()
            if name not in found:
                found.add(name)
                queue += references(self.schemas.definitions[name])
        return sorted(found)

    def paths(self, resource: Resource) -> Object:
        """The collection's path, the object's and the subresources'."""
        collection = resource.path("{namespace}" if resource.namespaced else None)
        paths: Object = {}
        operations: Object = {}
        if "list" in resource.verbs:
            listed = GroupVersionKind(resource.group, resource.version, resource.list_kind)
            operations["get"] = self.operation("list", resource.gvk, listed, LIST_QUERY)
        if "create" in resource.verbs:
            operations["post"] = self.operation("post", resource.gvk, resource.gvk, WRITE_QUERY, body=True)
        if "deletecollection" in resource.verbs:
            operations["delete"] = self.operation("deletecollection", resource.gvk, None, LIST_QUERY)
        if operations:
            paths[collection] = operations | self.parameters(collection)
        if resource.namespaced and "list" in resource.verbs:
            paths[resource.path()] = {"get": operations["get"]}
        path = f"{collection}/{{name}}"
        paths |= self.object_path(path, resource.gvk, resource.verbs)
        for each in resource.subresources:
            paths |= self.object_path(f"{path}/{each.name}", each.gvk, each.verbs)
        return paths

    def object_path(self, path: str, gvk: GroupVersionKind, verbs: Sequence[str]) -> Object:
        """The path of one object or subresource with its operations."""
        operations: Object = {}
        if "get" in verbs:
            operations["get"] = self.operation("get", gvk, gvk, ())
        if "create" in verbs:
            operations["post"] = self.operation("post", gvk, gvk, WRITE_QUERY, body=True)
        if "update" in verbs:
            operations["put"] = self.operation("put", gvk, gvk, WRITE_QUERY, body=True)
        if "patch" in verbs:
            operations["patch"] = self.operation("patch", gvk, gvk, (*WRITE_QUERY, "force"))
            schema = {"type": "object"}
            content = {media_type: {"schema": schema} for media_type in PATCH_TYPES}
            operations["patch"]["requestBody"] = {"required": True, "content": content}
        if "delete" in verbs:
            operations["delete"] = self.operation("delete", gvk, None, ("dryRun",))
        return {path: operations | self.parameters(path)} if operations else {}

    def operation(
        self,
        action: str,
        gvk: GroupVersionKind,
        answer: GroupVersionKind | None,
        query: Iterable[str],
        body: bool = False,
    ) -> Object:
        """One operation on a kind, answering with `answer` or a Status."""
        answer = answer or GroupVersionKind("", "v1", "Status")
        operation: Object = {
            "parameters": [
                {"name": name, "in": "query", "schema": {"type": QUERY[name]}, "description": f"{name}."}
                for name in query
            ],
            "responses": {
                "200": {
                    "description": "OK",
                    "content": {"application/json": {"schema": self.reference(answer)}},
                }
            },
            "x-kubernetes-action": action,
            "x-kubernetes-group-version-kind": {
                "group": gvk.group,
                "version": gvk.version,
                "kind": gvk.kind,
            },
        }
        if body:
            operation["requestBody"] = {"required": True, "content": {"*/*": {"schema": self.reference(gvk)}}}
        return operation

    @staticmethod
    def parameters(path: str) -> Object:
        """The parameters that stand in the path."""
        names = [name for name in ("namespace", "name") if f"{{{name}}}" in path]
        return {
            "parameters": [
                {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names
            ]
        }


def references(schema: Any) -> set[str]:
    """The names of the definitions a schema refers to."""
    if isinstance(schema, Mapping):
        found = {schema["$ref"].removeprefix(REFERENCE)} if isinstance(schema.get("$ref"), str) else set()
        return found.union(*(references(value) for value in schema.values()))
    if isinstance(schema, list):
        return set().union(*(references(value) for value in schema))
    return set()


def published(schema: Any) -> Any:
    """A schema as OpenAPI 3.0 has it: not nullable, and with references inside the document."""
    if isinstance(schema, list):
        return [published(value) for value in schema]
    if not isinstance(schema, Mapping):
        return schema
    result = {key: published(value) for key, value in schema.items() if key != "enum" or value}
    if isinstance(result.get("type"), list):
        kinds = [kind for kind in result["type"] if kind != "null"]
        result["type"] = kinds[0]
    if "x-kubernetes-group-version-kind" in result:
        # Which kind it is every object says itself; the published schemas name the only one.
        for name in ("apiVersion", "kind"):
            result.get("properties", {}).get(name, {}).pop("enum", None)
    if isinstance(result.get("$ref"), str):
        target = {"$ref": result.pop("$ref").replace(REFERENCE, "#/components/schemas/")}
        # OpenAPI 3.0 ignores everything beside $ref, so notes need allOf, as the real server writes it.
        result = {"allOf": [target], **result} if result else target
    return result
