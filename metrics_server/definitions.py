"""Core: the schemas of what is served here, for OpenAPI.

After: k8s staging/src/k8s.io/metrics/pkg/apis/metrics/v1beta1/types.go
"""

from __future__ import annotations

from typing import Any

from kube.api.schema import REFERENCE
from metrics_server.kinds import GROUP, KINDS, VERSION

METRICS = "io.k8s.metrics.pkg.apis.metrics.v1beta1"
META = "io.k8s.apimachinery.pkg.apis.meta.v1"
QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"

Schema = dict[str, Any]


def _is(name: str, description: str) -> Schema:
    """A reference, with what it is for."""
    return {"$ref": f"{REFERENCE}{name}", "description": description}


def _text(description: str) -> Schema:
    return {"type": "string", "description": description}


def _kind(name: str, description: str, properties: Schema, required: list[str]) -> Schema:
    """A kind, with what all of them say of themselves."""
    own = {
        "apiVersion": _text("APIVersion is the version of the schema of this object."),
        "kind": _text("Kind says what this object is."),
    }
    gvk = {"group": GROUP, "version": VERSION, "kind": name}
    return {
        "description": description,
        "type": "object",
        "required": required,
        "properties": own | properties,
        "x-kubernetes-group-version-kind": [gvk],
    }


def _list_of(name: str) -> Schema:
    items = {
        "type": "array",
        "items": _is(f"{METRICS}.{name}", ""),
        "description": f"What there is of {name}.",
    }
    properties = {"metadata": _is(f"{META}.ListMeta", "Metadata of the list."), "items": items}
    return _kind(f"{name}List", f"{name}List is a list of {name}.", properties, ["items"])


USAGE: Schema = {
    "type": "object",
    "description": "The cpu used over the window, in cores, and the memory used at its end, in bytes.",
    "additionalProperties": _is(QUANTITY, ""),
}
MEASURED: Schema = {
    "metadata": _is(f"{META}.ObjectMeta", "Name, and labels of what was measured."),
    "timestamp": _is(f"{META}.Time", "When the window ended over which this was measured."),
    "window": _is(f"{META}.Duration", "How long that window was."),
}
NODE = "NodeMetrics tells what a node uses."
POD = "PodMetrics tells what the containers of a pod use."
DEFINITIONS: dict[str, Schema] = {
    f"{METRICS}.NodeMetrics": _kind(
        "NodeMetrics", NODE, MEASURED | {"usage": USAGE}, ["timestamp", "window", "usage"]
    ),
    f"{METRICS}.PodMetrics": _kind(
        "PodMetrics",
        POD,
        MEASURED
        | {
            "containers": {
                "type": "array",
                "description": "What each container uses, all over the same window.",
                "items": _is(f"{METRICS}.ContainerMetrics", ""),
            }
        },
        ["timestamp", "window", "containers"],
    ),
    f"{METRICS}.ContainerMetrics": {
        "description": "ContainerMetrics tells what a container uses.",
        "type": "object",
        "required": ["name", "usage"],
        "properties": {"name": _text("The container's name in its pod."), "usage": USAGE},
    },
    **{f"{METRICS}.{each.list_kind}": _list_of(each.kind) for each in KINDS},
    f"{META}.ObjectMeta": {
        "description": "ObjectMeta names an object.",
        "type": "object",
        "properties": {
            "name": _text("The name, one of its kind in the namespace."),
            "namespace": _text("The namespace; empty for a node."),
            "labels": {
                "type": "object",
                "description": "The labels of the node or pod.",
                "additionalProperties": {"type": "string"},
            },
            "creationTimestamp": _is(f"{META}.Time", "When this object was made: when it was asked for."),
        },
    },
    f"{META}.ListMeta": {
        "description": "ListMeta tells of a list.",
        "type": "object",
        "properties": {"resourceVersion": _text("Nothing: what is measured has no versions.")},
    },
    f"{META}.Time": {"description": "Time is an instant.", "type": "string", "format": "date-time"},
    f"{META}.Duration": {"description": "Duration is a length of time, such as 1m0.5s.", "type": "string"},
    f"{META}.Status": {"description": "Status says why a request failed.", "type": "object"},
    QUANTITY: {"description": "Quantity is a number with a unit, such as 250m or 64Mi.", "type": "string"},
}
