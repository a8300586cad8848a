"""Makes requests from OpenAPI documents: parameters and bodies, mostly right and a little wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from random import Random
from typing import Any
from urllib.parse import quote, urlencode

Json = dict[str, Any]

NAMES = ("a", "b", "a", "b", "kubernetes", "A_b", "x" * 300, "a.b", "default", "%00", "ü")
NAMESPACES = ("default",) * 12 + ("kube-system", "nowhere", "A_b")
TEXTS = (
    "",
    "a",
    "b",
    "A b",
    "default",
    "1",
    "-1",
    "80",
    "1.2.3.4",
    "::1",
    "10.0.0.0/8",
    "Always",
    "Never",
    "None",
    "ClusterIP",
    "NodePort",
    "RollingUpdate",
    "In",
    "Exists",
    "Equal",
    "100m",
    "1Gi",
    "25%",
    "TCP",
    "* * * * *",
    "2030-01-01T00:00:00Z",
    "YQ==",
    "!",
    "a/b",
    "/",
    "..",
    "\u0000",
    "ü",
    "x" * 300,
    "kubernetes.io/tls",
    "example.com",
    "v1",
    "apps/v1",
    "rbac.authorization.k8s.io",
    "ClusterRole",
    "Role",
    "User",
    "metadata.name",
    "system:masters",
)
NUMBERS = (0, 1, -1, 2, 80, 30080, 65536, 2**31, -(2**31), 2**63, 10**30, 0.5, -0.0, 1e300)
KEYS = (
    "a",
    "b",
    "",
    "kubernetes.io/a",
    "A B",
    "x" * 300,
    "cpu",
    "memory",
    "pods",
    "$patch",
    "f:a",
    "__class__",
)
WRONG = (
    None,
    True,
    "",
    "a",
    0,
    -1,
    2**70,
    1.5,
    [],
    {},
    [None],
    [[]],
    [{}],
    {"": None},
    {"a": []},
    [1, "a"],
    "9" * 40,
)
BROKEN = (
    b"",
    b"{",
    b"null",
    b"[]",
    b"1",
    b'"a"',
    b"{}",
    b"\xff\xfe",
    b"k8s\x00",
    b"k8s\x00\x0a\xff\xff",
    b"a: [",
    b'{"a":1,"a":2}',
    b"{" * 500,
    b"[" * 20000,
    b'{"metadata":[]}',
    b'{"metadata":{"name":1}}',
    b"--- a\n--- b",
    b'{"kind":"Pod","apiVersion":"v1"}',
    b'{"kind":1}',
    b'{"metadata":{"labels":[]}}',
    b'{"items":1}',
)
QUERY = {
    "dryRun": ("All", "", "None", "all"),
    "fieldManager": ("a", "", "x" * 300, "\u0007"),
    "fieldValidation": ("Strict", "Warn", "Ignore", "a"),
    "force": ("true", "false", "1", "a"),
    "labelSelector": ("a=b", "a in (b", "!a", ",", "a!=b,c", "=", "a>1", "a>b", "x" * 70 + "=a"),
    "fieldSelector": (
        "metadata.name=a",
        "metadata.name",
        "spec.nodeName=",
        "a=b",
        "a\\",
        "metadata.namespace!=a",
    ),
    "limit": ("1", "0", "-1", "a", "9" * 30),
    "continue": ("a", "", "e30", "bnVsbA", "eyJ2IjoxfQ", "eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6MX0"),
    "resourceVersion": ("0", "1", "", "-1", "a", "1.5"),
    "resourceVersionMatch": ("Exact", "NotOlderThan", "a", ""),
    "timeoutSeconds": ("1", "0", "-1", "a"),
    "watch": ("false", "0", "true", "1", ""),
    "sendInitialEvents": ("true", "false", "a"),
    "allowWatchBookmarks": ("true", "a"),
    "gracePeriodSeconds": ("0", "1", "-1", "a"),
    "propagationPolicy": ("Foreground", "Orphan", "Background", "a"),
    "orphanDependents": ("true", "a"),
    "pretty": ("true", "a"),
    "includeObject": ("None", "Object", "Metadata", "a"),
    "container": ("a", ""),
    "tailLines": ("1", "-1", "a"),
    "sinceTime": ("a", "2030-01-01T00:00:00Z"),
    "stdin": ("1", "a"),
}
ACCEPTS = (
    "application/json",
    "application/json",
    "*/*",
    "",
    "application/yaml",
    "text/html",
    "application/json;as=Table",
    "application/json;as=Table;v=v1;g=meta.k8s.io",
    "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io",
    "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io",
    "application/vnd.kubernetes.protobuf,*/*",
    "a/b;;q=x",
    "application/json;as=Table;v=v9;g=a",
    "application/json;stream=watch",
)
BODY_TYPES = ("application/json",) * 12 + (
    "application/yaml",
    "",
    "application/vnd.kubernetes.protobuf",
    "a",
    "text/plain",
)
OPERATIONS = ("add", "remove", "replace", "move", "copy", "test", "a", None)
POINTERS = (
    "",
    "/",
    "/metadata",
    "/metadata/name",
    "/metadata/labels/a",
    "/metadata/labels",
    "/spec",
    "/status",
    "/data/a",
    "/metadata/finalizers/0",
    "/metadata/finalizers/-",
    "/spec/containers/0/image",
    "/spec/template",
    "/a~2",
    "a",
    "/metadata/resourceVersion",
    "/metadata/uid",
    "/kind",
    "/apiVersion",
    "/metadata/managedFields",
    "/spec/ports/-",
    "/metadata/ownerReferences",
    "/metadata/deletionTimestamp",
    "/spec/01",
    None,
    1,
)
DIRECTIVES: tuple[Json, ...] = (
    {"$patch": "delete"},
    {"$patch": "replace"},
    {"$patch": "a"},
    {"$patch": 1},
    {"$retainKeys": ["a"]},
    {"$retainKeys": 1},
    {"$setElementOrder/containers": [{"name": "a"}]},
    {"$setElementOrder/containers": 1},
    {"$deleteFromPrimitiveList/finalizers": ["a"]},
    {"$deleteFromPrimitiveList/a": 1},
    {"$setElementOrder/a": [{}]},
    {"$setElementOrder/finalizers": ["a", 1]},
)
DEPTH_MAX = 8


@dataclass(frozen=True)
class Made:
    """One request."""

    method: str
    path: str
    content_type: str | None
    body: bytes | None
    accept: str

    @property
    def watches(self) -> bool:
        """Whether the answer may have no end."""
        return "watch=" in self.path and "watch=false" not in self.path and "watch=0" not in self.path


class Values:
    """Makes values of the schemas of one document."""

    def __init__(self, random: Random, schemas: Mapping[str, Json]) -> None:
        self._random, self._schemas = random, schemas

    def value(self, schema: Json, depth: int = 0) -> Any:
        """A value that fits, mostly; deeper down fields are rarer."""
        random = self._random
        if random.random() < 0.015:
            return deepcopy(random.choice(WRONG))
        schema = self._resolved(schema)
        if schema.get("enum") and random.random() < 0.9:
            return random.choice(schema["enum"])
        match schema.get("type"):
            case "object":
                return self._object(schema, depth)
            case "array":
                count = 0 if depth > DEPTH_MAX else random.choice((0, 1, 1, 2))
                return [self.value(schema.get("items", {}), depth + 1) for _ in range(count)]
            case "integer" | "number":
                return random.choice(NUMBERS[: 6 if random.random() < 0.8 else len(NUMBERS)])
            case "boolean":
                return random.random() < 0.5
            case "string":
                return self._text(schema)
        return deepcopy(random.choice((*WRONG, *TEXTS)))

    def _resolved(self, schema: Json) -> Json:
        while reference := schema.get("$ref") or next(
            (each.get("$ref") for each in schema.get("allOf", ())), None
        ):
            schema = self._schemas[reference.rsplit("/", 1)[1]]
        return schema

    def _text(self, schema: Json) -> Any:
        if schema.get("format") == "date-time" and self._random.random() < 0.9:
            return "2030-01-01T00:00:00Z"
        if "int-or-string" in str(schema.get("format")):
            return self._random.choice((0, 80, "25%", "a"))
        return self._random.choice(TEXTS)

    def _object(self, schema: Json, depth: int) -> Json:
        random, made = self._random, {}
        required = schema.get("required", ())
        for name, each in schema.get("properties", {}).items():
            chance = 0.9 if name in required else (0.5, 0.3, 0.2)[min(depth, 2)]
            if depth <= DEPTH_MAX and random.random() < chance:
                made[name] = self.value(each, depth + 1)
        if isinstance(schema.get("additionalProperties"), dict) and depth <= DEPTH_MAX:
            for _ in range(random.choice((0, 1, 2))):
                made[random.choice(KEYS)] = self.value(schema["additionalProperties"], depth + 1)
        if random.random() < 0.03:
            made[random.choice(KEYS)] = deepcopy(random.choice(WRONG))
        return made


class Requests:
    """Makes requests for the operations of one document of `/openapi/v3`."""

    def __init__(self, random: Random, document: Json) -> None:
        self._random = random
        self._schemas: Json = document["components"]["schemas"]
        self._values = Values(random, self._schemas)
        self._operations = [
            (method, path, operation)
            for path, item in document["paths"].items()
            for method, operation in item.items()
            if method in ("get", "post", "put", "patch", "delete")
        ]

    def each(self) -> Iterator[Made]:
        """One request for each operation, in an order of its own."""
        for method, path, operation in self._random.sample(self._operations, len(self._operations)):
            yield self.request(method, path, operation)

    def request(self, method: str, path: str, operation: Json) -> Made:
        random = self._random
        namespace, name = random.choice(NAMESPACES), random.choice(NAMES)
        url = path.replace("{namespace}", namespace).replace("{name}", quote(name))
        query = [(key, random.choice(QUERY[key])) for key in QUERY if random.random() < 0.06]
        if query:
            url += "?" + urlencode(query)
        accept = random.choice(ACCEPTS) if random.random() < 0.2 else ACCEPTS[0]
        content_type, body = None, None
        if method != "get":
            content_type, body = self._body(method, operation, namespace, name)
        return Made(method.upper(), url, content_type, body, accept)

    def _body(
        self, method: str, operation: Json, namespace: str, name: str
    ) -> tuple[str | None, bytes | None]:
        random = self._random
        if method == "delete":
            return (None, None) if random.random() < 0.6 else ("application/json", self._options())
        content: Json = operation["requestBody"]["content"]
        content_type = random.choice(BODY_TYPES) if method != "patch" else random.choice(tuple(content))
        if random.random() < 0.05:
            return content_type, random.choice(BROKEN)
        if "json-patch" in content_type:
            return content_type, _encode([self._operation() for _ in range(random.randrange(4))])
        made = self._object(operation, namespace, name, whole=method != "patch" or "apply" in content_type)
        if method == "patch" and isinstance(made, dict):
            self._direct(made)
        return content_type, _encode(made)

    def _object(self, operation: Json, namespace: str, name: str, whole: bool) -> Any:
        random = self._random
        gvk = operation["x-kubernetes-group-version-kind"]
        made = self._values.value(self._schema(gvk))
        if not isinstance(made, dict) or random.random() < 0.05:
            return made
        if whole or random.random() < 0.1:
            version = "/".join(filter(None, (gvk["group"], gvk["version"])))
            made |= {"apiVersion": version, "kind": gvk["kind"]}
        if random.random() < 0.9:
            known = made.get("metadata") if random.random() < 0.3 else None
            made["metadata"] = {**(known if isinstance(known, dict) else {}), "name": name}
            if random.random() < 0.8:
                made["metadata"].pop("resourceVersion", None)
                made["metadata"].pop("uid", None)
                made["metadata"].pop("namespace", None)
        return made

    def _schema(self, gvk: Json) -> Json:
        return next(
            (
                each
                for each in self._schemas.values()
                if gvk in each.get("x-kubernetes-group-version-kind", ())
            ),
            {"type": "object"},
        )

    def _direct(self, made: Json) -> None:
        """Put a directive of strategic merge patches somewhere, or a null."""
        random = self._random
        if random.random() < 0.3:
            places = [made] + [each for each in made.values() if isinstance(each, dict)]
            random.choice(places).update(deepcopy(random.choice(DIRECTIVES)))
        if random.random() < 0.3 and made:
            made[random.choice(list(made))] = None

    def _operation(self) -> Any:
        random = self._random
        made = {"op": random.choice(OPERATIONS), "path": random.choice(POINTERS)}
        if random.random() < 0.8:
            made["value"] = deepcopy(random.choice((*WRONG, *TEXTS)))
        if random.random() < 0.4:
            made["from"] = random.choice(POINTERS)
        return made if random.random() < 0.98 else deepcopy(random.choice(WRONG))

    def _options(self) -> bytes:
        schema = {
            "type": "object",
            "properties": {
                "gracePeriodSeconds": {"type": "integer"},
                "propagationPolicy": {"enum": ["Orphan", "Foreground", "Background"], "type": "string"},
                "orphanDependents": {"type": "boolean"},
                "dryRun": {"type": "array", "items": {"enum": ["All"], "type": "string"}},
                "preconditions": {
                    "type": "object",
                    "properties": {"uid": {"type": "string"}, "resourceVersion": {"type": "string"}},
                },
            },
        }
        return _encode(self._values.value(schema))


def _encode(value: Any) -> bytes:
    return json.dumps(value).encode()
