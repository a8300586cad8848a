"""Core: how a proxy in front of an API tells in headers for whom it asks, and how that is read.

    X-Remote-User: alice
    X-Remote-Group: builders              once for each group
    X-Remote-Uid: 42
    X-Remote-Extra-Scopes: view           the key in lower case, and in % what no header's name may have

Only who shows the proxy's certificate is believed; where the names and its authority are written down for
all is `CONFIG_MAP`.

After: k8s staging/src/k8s.io/client-go/transport/round_trippers.go, SetAuthProxyHeaders;
staging/src/k8s.io/apiserver/pkg/authentication/request/headerrequest/requestheader.go
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import quote, unquote

USER, GROUP, UID, EXTRA = "X-Remote-User", "X-Remote-Group", "X-Remote-Uid", "X-Remote-Extra-"
# The ConfigMap in kube-system that tells servers of others whom to believe.
NAMESPACE, CONFIG_MAP = "kube-system", "extension-apiserver-authentication"
# What a header's name may have besides letters and digits (RFC 7230), but for the escape itself.
LEGAL = "!#$&'*+-.^_`|~"

Extra = Mapping[str, Sequence[str]]


def identity_headers(
    name: str, groups: Iterable[str] = (), uid: str = "", extra: Extra | None = None
) -> list[tuple[str, str]]:
    """The headers that say who asks."""
    told = [(USER, name), *((GROUP, group) for group in groups), *([(UID, uid)] if uid else [])]
    for key, values in (extra or {}).items():
        told += [(EXTRA + quote(key, safe=LEGAL), value) for value in values]
    return told


def extra_of(headers: Iterable[tuple[str, str]], prefixes: Iterable[str]) -> dict[str, list[str]]:
    """What is told of a caller besides his name and groups."""
    starts, found = [each.lower() for each in prefixes], dict[str, list[str]]()
    for name, value in headers:
        for start in starts:
            if name.lower().startswith(start):
                found.setdefault(unquote(name.lower().removeprefix(start)), []).append(value)
                break
    return found
