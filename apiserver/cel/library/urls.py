"""Core: url(), and the parts of a URL.

After: k8s staging/src/k8s.io/apiserver/pkg/cel/library/urls.go
"""

from __future__ import annotations

from urllib.parse import SplitResult, parse_qs, quote, unquote, urlsplit

from apiserver.cel.library.function import Function

TYPE = "kubernetes.URL"


def _split(text: str) -> SplitResult:
    """A URL with a scheme, or an absolute path."""
    parts = urlsplit(text)
    if any(ord(each) < 0x20 or each == " " for each in text) or not (parts.scheme or text.startswith("/")):
        raise ValueError("invalid URI for request")
    _ = parts.port  # ValueError unless it is a number
    return parts


def _parse(text: str) -> str:
    try:
        _split(text)
    except ValueError as error:
        raise ValueError(f'URL parse error during conversion from string: parse "{text}": {error}') from None
    return text


def is_url(text: str) -> bool:
    """Whether url() takes it."""
    try:
        _split(text)
    except ValueError:
        return False
    return True


def _hostname(url: str) -> str:
    host = _split(url).netloc.rpartition("@")[2]
    return host[1 : host.index("]")] if host.startswith("[") else host.partition(":")[0]


def _port(url: str) -> str:
    port = _split(url).port
    return "" if port is None else str(port)


def _escaped_path(url: str) -> str:
    path = _split(url).path
    return path if "%" in path else quote(unquote(path), safe="/:@!$&'()*+,;=~")


FUNCTIONS = (
    Function("url", "string_to_url", ("string",), TYPE, _parse, is_member=False),
    Function("isURL", "is_url_string", ("string",), "bool", is_url, is_member=False),
    Function("getScheme", "url_get_scheme", (TYPE,), "string", lambda url: _split(url).scheme),
    Function("getHost", "url_get_host", (TYPE,), "string", lambda url: _split(url).netloc.rpartition("@")[2]),
    Function("getHostname", "url_get_hostname", (TYPE,), "string", _hostname),
    Function("getPort", "url_get_port", (TYPE,), "string", _port),
    Function("getEscapedPath", "url_get_escaped_path", (TYPE,), "string", _escaped_path),
    Function(
        "getQuery",
        "url_get_query",
        (TYPE,),
        "map(string, list(string))",
        lambda url: parse_qs(_split(url).query, keep_blank_values=True),
    ),
)
