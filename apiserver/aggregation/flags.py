"""Shell: the flags about proxies: those in front of this server, and itself in front of others.

After: k8s staging/src/k8s.io/apiserver/pkg/server/options/authentication.go
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import click

from apiserver.authentication.request_header import RequestHeader
from kube.base.run import StartupError

DEFAULTS = RequestHeader()
# Flag -> what it is by default, and its help.
OPTIONS: dict[str, tuple[str, str]] = {
    "requestheader-client-ca-file": (
        "",
        "Authority of the certificates of proxies that say in headers for whom they ask.",
    ),
    "requestheader-allowed-names": ("", "Common names of such proxies, with commas between; empty: any."),
    "requestheader-username-headers": (
        ",".join(DEFAULTS.username_headers),
        "Headers that name the user, the first one first.",
    ),
    "requestheader-group-headers": (",".join(DEFAULTS.group_headers), "Headers that name his groups."),
    "requestheader-uid-headers": (",".join(DEFAULTS.uid_headers), "Headers that tell his uid."),
    "requestheader-extra-headers-prefix": (
        ",".join(DEFAULTS.extra_prefixes),
        "What headers begin with that tell more of him.",
    ),
    "proxy-client-cert-file": ("", "Certificate shown to extension API servers."),
    "proxy-client-key-file": ("", "Its key."),
}


class ProxyFlags(Protocol):
    """Where the flags are found."""

    @property
    def requestheader_client_ca_file(self) -> str: ...
    @property
    def requestheader_allowed_names(self) -> str: ...
    @property
    def requestheader_username_headers(self) -> str: ...
    @property
    def requestheader_group_headers(self) -> str: ...
    @property
    def requestheader_uid_headers(self) -> str: ...
    @property
    def requestheader_extra_headers_prefix(self) -> str: ...
    @property
    def proxy_client_cert_file(self) -> str: ...
    @property
    def proxy_client_key_file(self) -> str: ...


def proxy_flags(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the flags to a command."""
    for name, (default, text) in reversed(OPTIONS.items()):
        command = click.option(f"--{name}", default=default, help=text)(command)
    return command


def request_header(flags: ProxyFlags) -> RequestHeader:
    """What they say of proxies in front of this server."""
    return RequestHeader(
        flags.requestheader_client_ca_file,
        _words(flags.requestheader_allowed_names),
        _words(flags.requestheader_username_headers),
        _words(flags.requestheader_group_headers),
        _words(flags.requestheader_uid_headers),
        _words(flags.requestheader_extra_headers_prefix),
    )


def proxy_authority(flags: ProxyFlags) -> str:
    """The authority of proxies in front of this server, in PEM; nothing where there is none."""
    path = flags.requestheader_client_ca_file
    try:
        return Path(path).read_text() if path else ""
    except OSError as error:
        raise StartupError(f"--requestheader-client-ca-file {path}: {error.strerror}") from error


def proxy_pair(flags: ProxyFlags) -> tuple[str, str]:
    """The certificate that this server shows, and its key; empty where it shows none."""
    pair = (flags.proxy_client_cert_file, flags.proxy_client_key_file)
    if bool(pair[0]) != bool(pair[1]):
        raise StartupError("--proxy-client-cert-file and --proxy-client-key-file go together")
    return pair


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())
