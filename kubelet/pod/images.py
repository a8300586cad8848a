"""Core: what an image's name says, and whom its pod's secrets make of the kubelet before the registry.

After: k8s pkg/util/parsers/parsers.go; pkg/credentialprovider/keyring.go; distribution/reference.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterable
from typing import Any

from kube.api.meta import Object
from kubelet.runtime.interface import Credentials

DOCKER_HUB = ("docker.io", "index.docker.io", "registry-1.docker.io")
CONFIG_KEYS = {
    "kubernetes.io/dockerconfigjson": ".dockerconfigjson",
    "kubernetes.io/dockercfg": ".dockercfg",
}
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_DOMAIN = (
    r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*(?::[0-9]+)?"
)
_NAME = re.compile(
    rf"(?:{_DOMAIN}/)?{_COMPONENT}(?:/{_COMPONENT})*(?::\w[\w.-]{{0,127}})?(?:@[A-Za-z][\w.+-]*:[0-9a-fA-F]{{32,}})?"
)


def name_error(image: str) -> str:
    """Why it is no image's name; empty when it is one."""
    if _NAME.fullmatch(image):
        return ""
    if _NAME.fullmatch(image.lower()):
        domain, path = _split(image)
        repository = path.partition("@")[0].rpartition(":")[0] or path
        shown = repository if domain != "docker.io" or "/" in repository else f"library/{repository}"
        return f"invalid reference format: repository name ({shown}) must be lowercase"
    return "invalid reference format"


def credentials(image: str, secrets: Iterable[Object]) -> list[Credentials]:
    """Those that the secrets have for the image's registry, the best match first."""
    domain, path = _split(image)
    hosts = DOCKER_HUB if domain == "docker.io" else (domain,)
    found = [
        (len(place), Credentials(*account, server=domain))
        for secret in secrets
        for place, account in _accounts(secret)
        if any(_covers(place, host, path) for host in hosts)
    ]
    return [each for _, each in sorted(found, key=lambda pair: -pair[0])]


def _split(image: str) -> tuple[str, str]:
    """`registry:5000/team/app:1` is registry:5000 and team/app:1; without a registry, it is Docker's."""
    first, slash, rest = image.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return first, rest
    return "docker.io", image


def _accounts(secret: Object) -> list[tuple[str, tuple[str, str]]]:
    """Places and accounts of a secret of one of Docker's two forms; of another, none."""
    key = CONFIG_KEYS.get(secret.get("type", ""), "")
    try:
        document = json.loads(base64.b64decode((secret.get("data") or {}).get(key, "")))
        entries = document.get("auths", {}) if key == ".dockerconfigjson" else document
        return [(_place(where), _account(entry)) for where, entry in entries.items()]
    except (binascii.Error, ValueError, AttributeError, KeyError):
        return []


def _place(where: str) -> str:
    """A registry's address without scheme and API version."""
    bare = where.removeprefix("https://").removeprefix("http://").rstrip("/")
    return bare.removesuffix("/v1").removesuffix("/v2")


def _account(entry: dict[str, Any]) -> tuple[str, str]:
    if "auth" in entry:
        name, _, password = base64.b64decode(entry["auth"]).decode().partition(":")
        return name, password
    return entry["username"], entry["password"]


def _covers(place: str, host: str, path: str) -> bool:
    """`*.example.com/team` covers `eu.example.com/team/app`; a star stands for one part of a name."""
    wanted, _, folder = place.partition("/")
    parts, given = wanted.split("."), host.split(".")
    is_there = len(parts) == len(given) and all(a in ("*", b) for a, b in zip(parts, given, strict=True))
    return is_there and (not folder or path == folder or path.startswith(f"{folder}/"))
