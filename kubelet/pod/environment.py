"""Core: the variables a container finds in its environment, as its pod's spec says.

Absent: values from ConfigMaps, Secrets and resources, and the variables of Services.
After: k8s pkg/kubelet/kubelet_pods.go, makeEnvironmentVariables; third_party/forked/golang/expansion.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from kube.api import meta
from kube.api.meta import Object

# $(NAME) stands for a variable before it; $$(NAME) is the text $(NAME).
REFERENCE = re.compile(r"\$(\$|\(([^()$]+)\))")
QUOTED_KEY = re.compile(r"metadata\.(labels|annotations)\['(.+)'\]")


def environment(pod: Object, container: Object, node_ip: str, pod_ip: str) -> dict[str, str]:
    """The variables, in the order of the spec."""
    values: dict[str, str] = {}
    for variable in container.get("env") or ():
        field_path = meta.get(variable, "valueFrom", "fieldRef", "fieldPath", default="")
        if field_path:
            values[variable["name"]] = _field(pod, field_path, node_ip, pod_ip)
        elif "valueFrom" not in variable:
            values[variable["name"]] = _expanded(variable.get("value") or "", values)
    return values


def _expanded(text: str, values: Mapping[str, str]) -> str:
    def value(found: re.Match[str]) -> str:
        return "$" if found[1] == "$" else values.get(found[2], found[0])

    return REFERENCE.sub(value, text)


def _field(pod: Object, path: str, node_ip: str, pod_ip: str) -> str:
    """A field of the pod, as the downward API names it."""
    addresses = {"status.hostIP": node_ip, "status.podIP": pod_ip}
    if path in addresses:
        return addresses[path]
    quoted = QUOTED_KEY.fullmatch(path)
    keys = ("metadata", quoted[1], quoted[2]) if quoted else tuple(path.split("."))
    return str(meta.get(pod, *keys, default=""))
