"""Core: OpenAPI v2 (Swagger) in one document: what kubectl up to 1.28 and code generators ask for.

The document is that of v3 (`kube/api/openapi.py`) said in the older words: parameters have types instead of
schemas, a body is a parameter, and what OpenAPI 3 writes as `oneOf` is a text with a format. kubectl reads it
as protobuf, whose messages stand in MESSAGES; extensions (`x-...`) and lists of values travel as YAML there.

After: k8s.io/kube-openapi/pkg/handler; github.com/google/gnostic, openapiv2/OpenAPIv2.proto (field numbers)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from kube.api import openapi
from kube.api.meta import Object
from kube.api.resources import Resource
from kube.api.schema import REFERENCE, Schemas

JSON, YAML = "application/json", "application/yaml"
OPERATIONS = ("get", "put", "post", "delete", "patch")
# Definitions that JSON Schema describes by alternatives, which Swagger does not know.
TEXTS = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": {"type": "string"},
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": {"type": "string", "format": "int-or-string"},
}


def document(resources: Sequence[Resource], schemas: Schemas) -> Object:
    """The whole API as Swagger."""
    builder = openapi.Builder(schemas)
    paths: Object = {}
    for resource in resources:
        paths |= builder.paths(resource)
    return {
        "swagger": "2.0",
        "info": openapi.INFO,
        "paths": {path: _path(item) for path, item in sorted(paths.items())},
        "definitions": {
            name: TEXTS.get(name) or definition(schemas.definitions[name]) for name in builder.needed()
        },
    }


def definition(schema: Any) -> Any:
    """A published schema in Swagger's words: not nullable, references into `definitions`."""
    if isinstance(schema, list):
        return [definition(value) for value in schema]
    if not isinstance(schema, dict):
        return schema
    result = {key: definition(value) for key, value in schema.items() if key != "enum" or value}
    if isinstance(result.get("type"), list):
        result["type"] = next(kind for kind in result["type"] if kind != "null")
    if isinstance(result.get("$ref"), str):
        result["$ref"] = result["$ref"].replace(REFERENCE, "#/definitions/")
    return result


def _path(item: Object) -> Object:
    shown: Object = {verb: _operation(item[verb]) for verb in OPERATIONS if verb in item}
    return shown | {"parameters": [_parameter(each) for each in item.get("parameters", ())]}


def _operation(operation: Object) -> Object:
    parameters = [_parameter(each) for each in operation["parameters"]]
    consumes = ["*/*"]
    if "requestBody" in operation:
        content = operation["requestBody"]["content"]
        schema = _reference(next(iter(content.values()))["schema"])
        parameters.append({"name": "body", "in": "body", "required": True, "schema": schema})
        consumes = list(content)
    answer = operation["responses"]["200"]["content"]["application/json"]["schema"]
    return {
        "consumes": consumes,
        "produces": [JSON, YAML],
        "parameters": parameters,
        "responses": {"200": {"description": "OK", "schema": _reference(answer)}},
    } | {key: value for key, value in operation.items() if key.startswith("x-")}


def _parameter(parameter: Object) -> Object:
    rest = {key: value for key, value in parameter.items() if key != "schema"}
    return rest | {"type": parameter["schema"]["type"], "uniqueItems": True}


def _reference(schema: Object) -> Object:
    return {key: value.replace("/components/schemas/", "/definitions/") for key, value in schema.items()}


# ---- protobuf

# Message -> field in JSON -> number and what it holds. `list:` repeats; `map:` repeats pairs of a name and a
# message; `yaml` is a value as text. `x-` stands for all extensions. Messages in parentheses are wrappers
# around one value, which JSON writes without them.
MESSAGES: dict[str, dict[str, tuple[int, str]]] = {
    "Document": {
        "swagger": (1, "string"),
        "info": (2, "Info"),
        "paths": (8, "Paths"),
        "definitions": (9, "Definitions"),
    },
    "Info": {"title": (1, "string"), "version": (2, "string")},
    "Paths": {"*": (2, "map:PathItem")},
    "Definitions": {"*": (1, "map:Schema")},
    "Properties": {"*": (1, "map:Schema")},
    "PathItem": {
        "get": (2, "Operation"),
        "put": (3, "Operation"),
        "post": (4, "Operation"),
        "delete": (5, "Operation"),
        "patch": (8, "Operation"),
        "parameters": (9, "list:ParametersItem"),
    },
    "Operation": {
        "produces": (6, "list:string"),
        "consumes": (7, "list:string"),
        "parameters": (8, "list:ParametersItem"),
        "responses": (9, "Responses"),
        "x-": (13, "map:Any"),
    },
    "BodyParameter": {
        "name": (2, "string"),
        "in": (3, "string"),
        "required": (4, "bool"),
        "schema": (5, "Schema"),
    },
    "QueryParameter": {
        "in": (2, "string"),
        "description": (3, "string"),
        "name": (4, "string"),
        "type": (6, "string"),
        "uniqueItems": (20, "bool"),
    },
    "PathParameter": {
        "required": (1, "bool"),
        "in": (2, "string"),
        "description": (3, "string"),
        "name": (4, "string"),
        "type": (5, "string"),
        "uniqueItems": (19, "bool"),
    },
    "Responses": {"*": (1, "map:ResponseValue")},
    "Response": {"description": (1, "string"), "schema": (2, "SchemaItem")},
    "Schema": {
        "$ref": (1, "string"),
        "format": (2, "string"),
        "description": (4, "string"),
        "required": (19, "list:string"),
        "enum": (20, "list:Any"),
        "additionalProperties": (21, "AdditionalPropertiesItem"),
        "type": (22, "TypeItem"),
        "items": (23, "ItemsItem"),
        "properties": (25, "Properties"),
        "x-": (31, "map:Any"),
    },
}
# Wrapper -> number of its field, and what that holds.
WRAPPERS = {
    "ResponseValue": (1, "Response"),
    "SchemaItem": (1, "Schema"),
    "AdditionalPropertiesItem": (1, "Schema"),
    "TypeItem": (1, "string"),
    "ItemsItem": (1, "Schema"),
    "Any": (2, "yaml"),
}
# Where a parameter stands -> the wrappers around it, inside out, and its message.
PARAMETERS = {
    "body": ((1, 1), "BodyParameter"),
    "query": ((3, 2, 1), "QueryParameter"),
    "path": ((4, 2, 1), "PathParameter"),
}


def to_protobuf(o: Object) -> bytes:
    """A Swagger document as gnostic's `openapi.v2.Document`."""
    return _message("Document", o)


def _message(name: str, o: Object) -> bytes:
    fields = MESSAGES[name]
    written = []
    for key, value in o.items():
        field = fields.get("x-" if key.startswith("x-") else key) or fields.get("*")
        assert field is not None, f"{name}.{key} is in no table"
        number, kind = field
        if kind.startswith("map:"):
            pair = _delimited(1, key.encode()) + _delimited(2, _value(kind[4:], value))
            written.append(_delimited(number, pair))
        elif kind.startswith("list:"):
            written += [_delimited(number, _value(kind[5:], each)) for each in value]
        elif kind == "bool":
            written.append(_varint(number << 3) + _varint(int(value)))
        else:
            written.append(_delimited(number, _value(kind, value)))
    return b"".join(written)


def _value(kind: str, value: Any) -> bytes:
    if kind == "string":
        return str(value).encode()
    if kind == "yaml":
        return orjson.dumps(value)
    if kind == "ParametersItem":
        wrappers, kind = PARAMETERS[value["in"]]
        written = _message(kind, value)
        for number in wrappers:
            written = _delimited(number, written)
        return written
    if kind in WRAPPERS:
        number, inner = WRAPPERS[kind]
        return _delimited(number, _value(inner, value))
    return _message(kind, value)


def _delimited(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    written = bytearray()
    while value > 0x7F:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    written.append(value)
    return bytes(written)
