"""Core: whom to believe that says in headers for whom he asks: a proxy that shows a certificate for it.

After: k8s staging/src/k8s.io/apiserver/pkg/authentication/request/headerrequest/requestheader.go
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import unquote

from apiserver.authentication.user import User, known

Headers = Iterable[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class RequestHeader:
    """What the --requestheader flags say.

    client_ca_file: the authority of such proxies' certificates; empty: nobody is believed.
    allowed_names: common names that are; none: every one that the authority has signed.
    username_headers, group_headers, uid_headers, extra_prefixes: where they say it.
    """

    client_ca_file: str = ""
    allowed_names: tuple[str, ...] = ()
    username_headers: tuple[str, ...] = ("X-Remote-User",)
    group_headers: tuple[str, ...] = ("X-Remote-Group",)
    uid_headers: tuple[str, ...] = ("X-Remote-Uid",)
    extra_prefixes: tuple[str, ...] = ("X-Remote-Extra-",)

    def user_of(self, proxy: str | None, headers: Headers) -> User | None:
        """For whom a proxy asks, if it says so; proxy: the common name of its certificate, None if it has
        none of that authority. Headers come with names in lower case.
        """
        if proxy is None or (self.allowed_names and proxy not in self.allowed_names):
            return None
        said = list(headers)
        name = _first(said, self.username_headers)
        if not name:
            return None
        groups = tuple(value for each in self.group_headers for value in _all(said, each))
        extra: dict[str, list[str]] = {}
        for prefix in (each.lower() for each in self.extra_prefixes):
            for key, value in said:
                if key.startswith(prefix) and len(key) > len(prefix):
                    extra.setdefault(unquote(key.removeprefix(prefix)).lower(), []).append(value)
        return known(name, groups, _first(said, self.uid_headers), extra)


def _all(headers: Headers, name: str) -> Iterable[str]:
    return (value for key, value in headers if key == name.lower())


def _first(headers: Headers, names: Iterable[str]) -> str:
    return next((value for each in names for value in _all(headers, each) if value), "")
