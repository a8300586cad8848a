"""Shell: reads a kubeconfig: which servers, and who we are.

One extension of ours: a cluster may name several servers, between which the client fails over:

    clusters: [{name: x, cluster: {server: ..., extensions: [{name: servers, extension: {servers: [...]}}]}}]
"""

from __future__ import annotations

import base64
import binascii
import os
import ssl
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from kube.base import tls
from kube.base.startup import StartupError


@dataclass(frozen=True, slots=True)
class ClientConfig:
    """Where the API is served, by whom to be believed, and as whom to call."""

    servers: tuple[str, ...]
    ssl_context: ssl.SSLContext
    token: str | None = None
    namespace: str = "default"

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> ClientConfig:
        """Read the current context of a kubeconfig; StartupError says what is wrong with it."""
        try:
            document = yaml.safe_load(Path(path).read_text())
            return _from_kubeconfig(document, Path(path).resolve().parent)
        except OSError as error:
            raise StartupError(f"cannot read kubeconfig {path}: {error.strerror}") from error
        except yaml.YAMLError as error:
            raise StartupError(f"kubeconfig {path} is not YAML: {error}") from error
        except (KeyError, TypeError, AttributeError, binascii.Error) as error:
            raise StartupError(f"kubeconfig {path} is incomplete: {error!r}") from error


def _from_kubeconfig(document: dict[str, Any], folder: Path) -> ClientConfig:
    context = _named(document, "contexts", document["current-context"])["context"]
    cluster = _named(document, "clusters", context["cluster"])["cluster"]
    user = _named(document, "users", context["user"]).get("user") or {}
    servers = (cluster["server"],)
    for extension in cluster.get("extensions") or []:
        if extension["name"] == "servers":
            servers = tuple(extension["extension"]["servers"])
    with tempfile.TemporaryDirectory(prefix="kubeconfig-") as scratch:
        # The ssl module reads certificates from files only; data in the kubeconfig goes through one.
        files = [
            _file(cluster, "certificate-authority", folder, Path(scratch)),
            _file(user, "client-certificate", folder, Path(scratch)),
            _file(user, "client-key", folder, Path(scratch)),
        ]
        ssl_context = tls.client_context(*files)
    return ClientConfig(servers, ssl_context, user.get("token"), context.get("namespace") or "default")


def _named(document: dict[str, Any], section: str, name: str) -> dict[str, Any]:
    for each in document[section]:
        if each["name"] == name:
            found: dict[str, Any] = each
            return found
    raise KeyError(f"{section}: {name}")


def _file(settings: dict[str, Any], name: str, folder: Path, scratch: Path) -> str | None:
    """The path of a certificate or key, whether the kubeconfig names a file or holds the data."""
    data = settings.get(f"{name}-data")
    if data:
        path = scratch / name
        path.touch(mode=0o600)
        path.write_bytes(base64.b64decode(data, validate=True))
        return str(path)
    return str(folder / settings[name]) if settings.get(name) else None
