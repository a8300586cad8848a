"""Core: curl and wget as far as a pod's page needs them: GET by HTTP.

Absent: TLS, everything but GET.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from kubelet.runtime.programs.names import address_of
from kubelet.runtime.programs.process import Fetch, Process, Request, Running, Write, complain

LOCAL = "127.0.0.1"
CURL_LETTERS = set("sSfL")
WGET_OPTIONS = (("-qO-",), ("-O-",), ("-q", "-O-"), ("-qO", "-"), ("-O", "-"), ("-q", "-O", "-"))


@dataclass(frozen=True, slots=True)
class Place:
    """Where a URL leads; `ip` is empty where the name is unknown."""

    ip: str
    host: str
    port: int
    path: str


def place(process: Process, url: str) -> Generator[Request, Any, Place]:
    """Where a URL leads, seen from the container."""
    parts = urlsplit(url if "://" in url else f"http://{url}")
    host = parts.hostname or ""
    query = f"?{parts.query}" if parts.query else ""
    ip = process.surroundings.ip if host == LOCAL else (yield from address_of(process, host))
    return Place(ip, host, parts.port or 80, (parts.path or "/") + query)


def curl(process: Process, words: Sequence[str]) -> Running:
    """`curl [-sSfL] URL`."""
    letters = "".join(word[1:] for word in words if word.startswith("-"))
    urls = [word for word in words if not word.startswith("-")]
    unknown = sorted(set(letters) - CURL_LETTERS)
    if unknown or len(urls) != 1:
        yield complain(f"curl: option -{unknown[0]}: is unknown\n" if unknown else "curl: no URL specified\n")
        return 2
    is_quiet = "s" in letters and "S" not in letters
    at = yield from place(process, urls[0])
    answer = (yield Fetch(at.ip, at.port, at.path)) if at.ip else None
    if answer is None:
        code, why = (7, f"Failed to connect to {at.host} port {at.port}") if at.ip else (6, "")
        why = why or f"Could not resolve host: {at.host}"
        yield complain("" if is_quiet else f"curl: ({code}) {why}\n")
        return code
    status, body = answer
    if "f" in letters and status >= 400:
        yield complain("" if is_quiet else f"curl: (22) The requested URL returned error: {status}\n")
        return 22
    yield Write(body)
    return 0


def wget(process: Process, words: Sequence[str]) -> Running:
    """`wget -qO- URL`: nothing can be written to a file."""
    if tuple(words[:-1]) not in WGET_OPTIONS:
        yield complain("wget: files are read-only here, so ask with: wget -qO- URL\n")
        return 1
    is_quiet = "q" in words[0]
    at = yield from place(process, words[-1])
    if not at.ip:
        yield complain(f"wget: bad address '{at.host}'\n")
        return 1
    if not is_quiet:
        yield complain(f"Connecting to {at.host} ({at.ip}:{at.port})\n")
    answer = yield Fetch(at.ip, at.port, at.path)
    if answer is None:
        yield complain(f"wget: can't connect to remote host ({at.ip}): Connection refused\n")
        return 1
    status, body = answer
    if status >= 400:
        yield complain(f"wget: server returned error: HTTP/1.1 {status}\n")
        return 1
    yield Write(body)
    return 0
