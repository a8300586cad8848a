"""Core: the variables a container finds in its environment, as its pod's spec says.

    envFrom, then env (each may refer to those before it by $(NAME)), then the Services that have no namesake

Sees: the pod, the objects it refers to, its Services. Says: the variables in order, or CannotConfigure in
Kubernetes' words. Any name is good, as since RelaxedEnvironmentVariableValidation.
Absent: fileKeyRef.
After: k8s pkg/kubelet/kubelet_pods.go, makeEnvironmentVariables; third_party/forked/golang/expansion.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping, Sequence

from kube.api import meta
from kube.api.meta import Object
from kubelet.pod.downward import Surroundings, field_value, resource_value
from kubelet.pod.failures import CannotConfigure

# $(NAME) stands for a variable before it; $$(NAME) is the text $(NAME).
REFERENCE = re.compile(r"\$(\$|\(([^()$]+)\))")

# The kind of object, and its name: `("ConfigMap", "web")`; the object, or None where there is none.
Reference = tuple[str, str]
Found = Mapping[Reference, Object | None]


def references(container: Object) -> list[Reference]:
    """The objects that the container's variables come from."""
    found: dict[Reference, None] = {}
    for source in container.get("envFrom") or ():
        found |= {reference: None for reference, _ in _from_all(source)}
    for variable in container.get("env") or ():
        found |= {reference: None for reference, _ in _from_key(variable)}
    return list(found)


def environment(
    pod: Object, container: Object, found: Found, links: Mapping[str, str], around: Surroundings
) -> dict[str, str]:
    """The variables, or CannotConfigure."""
    values: dict[str, str] = {}
    for source in container.get("envFrom") or ():
        for reference, wanted in _from_all(source):
            held = _object(found, reference, wanted)
            prefix = source.get("prefix") or ""
            texts = texts_of(held) if held is not None else {}
            values |= {prefix + key: texts[key] for key in sorted(texts)}
    for variable in container.get("env") or ():
        value = _value(pod, container, variable, found, {**links, **values}, around)
        if value is not None:
            values[variable["name"]] = value
    return values | {name: value for name, value in links.items() if name not in values}


def expanded(text: str, values: Mapping[str, str]) -> str:
    """The text with each $(NAME) that is known replaced."""

    def value(match: re.Match[str]) -> str:
        return "$" if match[1] == "$" else values.get(match[2], match[0])

    return REFERENCE.sub(value, text)


def texts_of(o: Object) -> dict[str, str]:
    """What a ConfigMap or a Secret holds, as text."""
    data = o.get("data") or {}
    if o.get("kind") != "Secret":
        return dict(data)
    return {key: base64.b64decode(value).decode(errors="surrogateescape") for key, value in data.items()}


def _value(
    pod: Object,
    container: Object,
    variable: Object,
    found: Found,
    known: Mapping[str, str],
    around: Surroundings,
) -> str | None:
    """None: it is optional, and its key is not there."""
    if variable.get("value"):
        return expanded(variable["value"], known)
    source = variable.get("valueFrom") or {}
    if "fieldRef" in source:
        return field_value(pod, source["fieldRef"]["fieldPath"], around)
    if "resourceFieldRef" in source:
        try:
            return resource_value(pod, container, source["resourceFieldRef"], around)
        except LookupError as missing:
            raise CannotConfigure(str(missing.args[0])) from missing
    for reference, wanted in _from_key(variable):
        held = _object(found, reference, wanted)
        texts = texts_of(held) if held is not None else {}
        if wanted["key"] in texts:
            return texts[wanted["key"]]
        if held is None or wanted.get("optional"):
            return None
        kind, name = reference
        where = f"{kind} {meta.namespace(pod)}/{name}"
        raise CannotConfigure(f"couldn't find key {wanted['key']} in {where}")
    return ""


def _from_all(source: Object) -> Iterator[tuple[Reference, Object]]:
    for kind, key in (("ConfigMap", "configMapRef"), ("Secret", "secretRef")):
        if key in source:
            yield (kind, source[key].get("name") or ""), source[key]


def _from_key(variable: Object) -> Iterator[tuple[Reference, Object]]:
    source = variable.get("valueFrom") or {}
    for kind, key in (("ConfigMap", "configMapKeyRef"), ("Secret", "secretKeyRef")):
        if key in source:
            yield (kind, source[key].get("name") or ""), source[key]


def _object(found: Found, reference: Reference, wanted: Object) -> Object | None:
    held = found.get(reference)
    if held is None and not wanted.get("optional"):
        raise CannotConfigure(not_found(reference))
    return held


def not_found(reference: Reference) -> str:
    """Kubernetes' words for an object that is not there."""
    kind, name = reference
    return f'{kind.lower()} "{name}" not found'


def expanded_all(words: Sequence[str], values: Mapping[str, str]) -> list[str]:
    """A command's words."""
    return [expanded(word, values) for word in words]
