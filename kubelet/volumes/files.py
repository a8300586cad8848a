"""Core: the files of a volume that the kubelet writes itself: configMap, secret, downwardAPI, projected.

Sees: the volume, the pod, the objects and tokens it refers to. Says: path -> content and mode, or Missing in
Kubernetes' words.
Absent: clusterTrustBundle and podCertificate sources: Missing says so.
After: k8s pkg/volume/{configmap,secret,downwardapi,projected}; pkg/volume/util/atomic_writer.go.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from kube.api import meta
from kube.api.meta import Object
from kubelet.pod.downward import Surroundings, field_value, resource_value
from kubelet.pod.environment import Found, Reference, not_found

DEFAULT_MODE = 0o644
TOKEN_MODE = 0o600
TOKEN_SECONDS = 3600
GROUP_MAY_READ = 0o440


class Missing(Exception):
    """A volume cannot be filled now; the text says why."""


@dataclass(frozen=True, slots=True)
class File:
    """owner: the user it is given to, where the kubelet may."""

    data: bytes
    mode: int
    owner: int | None = None


@dataclass(frozen=True, slots=True)
class TokenWish:
    """A token for the pod's account. audience: empty for the API server's own."""

    audience: str
    seconds: int


Files = dict[str, File]


@dataclass(frozen=True, slots=True)
class Sources:
    """What the files are made of."""

    found: Found
    tokens: Mapping[TokenWish, str]
    around: Surroundings


def parts(volume: Object) -> list[tuple[str, Object]]:
    """The sources of a volume's files, in order: `configMap`, `secret`, `downwardAPI` ..."""
    if "projected" in volume:
        return [next(iter(each.items())) for each in volume["projected"].get("sources") or () if each]
    kinds = ("configMap", "secret", "downwardAPI")
    return [(kind, volume[kind]) for kind in kinds if kind in volume]


def is_written(volume: Object) -> bool:
    """True for those whose files the kubelet writes."""
    return bool(parts(volume)) or "projected" in volume


def references(pod: Object) -> set[Reference]:
    """The ConfigMaps and Secrets in the pod's volumes."""
    volumes = pod["spec"].get("volumes") or ()
    pairs = [_reference(kind, source) for volume in volumes for kind, source in parts(volume)]
    return {each for each in pairs if each is not None}


def token_wishes(volume: Object) -> list[TokenWish]:
    """The tokens among a volume's files."""
    return [_wish(source) for kind, source in parts(volume) if kind == "serviceAccountToken"]


def follows_pod(volume: Object) -> bool:
    """True where a change of the pod's labels or annotations may change a file."""
    return any(kind == "downwardAPI" for kind, _ in parts(volume))


def files(volume: Object, pod: Object, sources: Sources) -> Files:
    """The whole volume; later sources win. Missing tells of all that is not there."""
    found: Files = {}
    problems: list[str] = []
    kind = next((each for each in ("projected", "configMap", "secret", "downwardAPI") if each in volume), "")
    mode = volume[kind].get("defaultMode", DEFAULT_MODE)
    for part, source in parts(volume):
        try:
            found |= dict(_part(part, source, pod, sources, mode))
        except Missing as problem:
            problems.append(str(problem))
    if problems:
        raise Missing(problems[0] if len(problems) == 1 else f"[{', '.join(problems)}]")
    if meta.get(pod, "spec", "securityContext", "fsGroup") is None:
        return found
    return {path: replace(file, mode=file.mode | GROUP_MAY_READ) for path, file in found.items()}


def _part(part: str, source: Object, pod: Object, sources: Sources, mode: int) -> Iterator[tuple[str, File]]:
    reference = _reference(part, source)
    if reference is not None:
        yield from _keys(reference, source, sources.found.get(reference), mode)
    elif part == "downwardAPI":
        yield from _fields(source, pod, sources.around, mode)
    elif part == "serviceAccountToken":
        token = sources.tokens[_wish(source)].encode()
        user, group = _only_user(pod), meta.get(pod, "spec", "securityContext", "fsGroup")
        narrow = user is not None or group is not None
        yield source["path"], File(token, TOKEN_MODE if narrow else mode, user)
    else:
        raise Missing(f"volume source {part} is not supported by this kubelet")


def _keys(reference: Reference, source: Object, o: Object | None, mode: int) -> Iterator[tuple[str, File]]:
    optional = bool(source.get("optional"))
    if o is None and not optional:
        raise Missing(not_found(reference))
    data = contents(o) if o is not None else {}
    if not source.get("items"):
        yield from ((key, File(data[key], mode)) for key in sorted(data))
    for item in source.get("items") or ():
        if item["key"] in data:
            yield item["path"], File(data[item["key"]], item.get("mode", mode))
        elif not optional:
            kind = "config" if reference[0] == "ConfigMap" else "secret"
            raise Missing(f"references non-existent {kind} key: {item['key']}")


def contents(o: Object) -> dict[str, bytes]:
    """What a ConfigMap or a Secret holds."""
    data, binary = o.get("data") or {}, o.get("binaryData") or {}
    if o.get("kind") == "Secret":
        data, binary = {}, data
    texts = {key: text.encode() for key, text in data.items()}
    return texts | {key: base64.b64decode(text) for key, text in binary.items()}


def _fields(source: Object, pod: Object, around: Surroundings, mode: int) -> Iterator[tuple[str, File]]:
    for item in source.get("items") or ():
        if "fieldRef" in item:
            text = field_value(pod, item["fieldRef"]["fieldPath"], around)
        else:
            try:
                text = resource_value(pod, {}, item["resourceFieldRef"], around)
            except LookupError as missing:
                raise Missing(str(missing.args[0])) from missing
        yield item["path"], File(text.encode(), item.get("mode", mode))


def _reference(kind: str, source: Object) -> Reference | None:
    if kind == "configMap":
        return "ConfigMap", source.get("name") or ""
    if kind == "secret":
        return "Secret", source.get("secretName") or source.get("name") or ""
    return None


def _wish(source: Object) -> TokenWish:
    return TokenWish(source.get("audience") or "", source.get("expirationSeconds") or TOKEN_SECONDS)


def _only_user(pod: Object) -> int | None:
    """The user all containers run as, where they agree: the token is then its alone."""
    spec = pod["spec"]
    of_pod = meta.get(spec, "securityContext", "runAsUser")
    specs = [*(spec.get("initContainers") or ()), *spec["containers"]]
    users = {meta.get(each, "securityContext", "runAsUser", default=of_pod) for each in specs}
    return users.pop() if len(users) == 1 else None
