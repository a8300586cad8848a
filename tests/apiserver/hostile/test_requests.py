"""Bytes that are no HTTP, or HTTP that two readers would read in two ways."""

from __future__ import annotations

import pytest

from apiserver.http_protocol import HEADER_BYTES_MAX, HEADERS_MAX
from tests.support.hostile import Target, code_of

pytestmark = pytest.mark.slow

MAPS = b"/api/v1/namespaces/default/configmaps"
CLOSE = b"Host: a\r\nConnection: close\r\n"
MEMORY_BYTES = 64 << 20


def get(path: bytes, headers: bytes = b"") -> bytes:
    return b"GET %b HTTP/1.1\r\n%b%b\r\n" % (path, CLOSE, headers)


def post(headers: bytes, body: bytes) -> bytes:
    return b"POST %b HTTP/1.1\r\n%b%b\r\n%b" % (MAPS, CLOSE, headers, body)


def chunked(body: bytes) -> bytes:
    return post(b"Transfer-Encoding: chunked\r\n", body)


# What is sent -> what is said first; 0: nothing.
REQUESTS: dict[str, tuple[bytes, int]] = {
    "a length and chunks": (post(b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"), 400),
    "chunks and a length": (post(b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", b"0\r\n\r\n"), 400),
    "two lengths": (post(b"Content-Length: 3\r\nContent-Length: 4\r\n", b"abcd"), 400),
    "a list of lengths": (post(b"Content-Length: 3, 3\r\n", b"abc"), 400),
    "a length with a sign": (post(b"Content-Length: +3\r\n", b"abc"), 400),
    "a negative length": (post(b"Content-Length: -3\r\n", b"abc"), 400),
    "a length beyond 64 bits": (post(b"Content-Length: 99999999999999999999\r\n", b"abc"), 400),
    "a length that is too large": (post(b"Content-Length: 999999999999999\r\n", b"abc"), 413),
    "a length that is waited with": (post(b"Content-Length: 99999999\r\nExpect: 100-continue\r\n", b""), 413),
    "another encoding": (post(b"Transfer-Encoding: identity\r\n", b"0\r\n\r\n"), 400),
    "chunks, but not at the end": (post(b"Transfer-Encoding: chunked, identity\r\n", b"0\r\n\r\n"), 400),
    "almost chunks": (post(b"Transfer-Encoding: xchunked\r\n", b"0\r\n\r\n"), 400),
    "a space before the colon": (post(b"Transfer-Encoding : chunked\r\n", b"0\r\n\r\n"), 400),
    "a size that is none": (chunked(b"zz\r\nabc\r\n0\r\n\r\n"), 400),
    "a negative size": (chunked(b"-1\r\nabc\r\n0\r\n\r\n"), 400),
    "a size with a prefix": (chunked(b"0x3\r\nabc\r\n0\r\n\r\n"), 400),
    "a size beyond 64 bits": (chunked(b"fffffffffffffffff\r\nabc\r\n0\r\n\r\n"), 400),
    "a chunk that is too long": (chunked(b"3\r\nabcX0\r\n\r\n"), 400),
    "chunks with bare newlines": (chunked(b"3\nabc\n0\n\n"), 400),
    "chunk extensions without end": (chunked(b"2;" + b"a" * (2 * HEADER_BYTES_MAX)), 431),
    "headers behind the body": (chunked(b"2\r\n{}\r\n0\r\n" + b"a: b\r\n" * 1_000_000), 431),
    "a header behind the body": (chunked(b"2\r\n{}\r\n0\r\na: " + b"b" * (20 * HEADER_BYTES_MAX)), 431),
    "a folded header": (get(b"/version", b"X: a\r\n b\r\n"), 400),
    "NUL in a header": (get(b"/version", b"X: a\0b\r\n"), 400),
    "a bare return in a header": (get(b"/version", b"X: a\rY: b\r\n"), 400),
    "bare newlines": (b"GET /version HTTP/1.1\nHost: a\n\n", 400),
    "a header without a colon": (get(b"/version", b"X\r\n"), 400),
    "a space in a name": (get(b"/version", b"X Y: a\r\n"), 400),
    "a header without a name": (get(b"/version", b": a\r\n"), 400),
    "thousands of headers": (get(b"/version", b"a:b\r\n" * (HEADERS_MAX + 1)), 431),
    "headers without end": (get(b"/version", b"a:" + b"b" * (2 * HEADER_BYTES_MAX)), 431),
    "two hosts": (get(b"/version", b"Host: b\r\n"), 400),
    "HTTP/1.2": (b"GET /version HTTP/1.2\r\n" + CLOSE + b"\r\n", 400),
    "HTTP/9.9": (b"GET /version HTTP/9.9\r\n" + CLOSE + b"\r\n", 400),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0" * 100, 400),
    "TLS within TLS": (b"\x16\x03\x01\x02\x00\x01\x00", 400),
    "every byte": (bytes(range(256)) * 100, 400),
    "a tunnel": (b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com\r\n\r\n", 400),
    "a tunnel to a path": (b"CONNECT /api HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "a method nobody knows": (b"FOO /version HTTP/1.1\r\n" + CLOSE + b"\r\n", 400),
    "a method of others": (b"PROPFIND /api/v1/pods HTTP/1.1\r\n" + CLOSE + b"\r\n", 405),
    "TRACE": (b"TRACE /version HTTP/1.1\r\n" + CLOSE + b"\r\n", 405),
    "a long path": (get(b"/" + b"a" * 900_000), 400),
    "a long query": (get(b"/api?" + b"a=b&" * 200_000), 400),
    "a longer path": (get(b"/" + b"a" * (2 * HEADER_BYTES_MAX)), 431),
    "letters in a path": (get(b"/\xff\xfe"), 400),
    "a backslash": (get(b"\\api"), 400),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_what_is_no_request_is_refused(target: Target, name: str) -> None:
    request, expected = REQUESTS[name]
    before = target.rss_bytes()
    assert code_of(target.said(request)) == expected
    assert target.rss_bytes() - before < MEMORY_BYTES


def test_what_follows_a_refused_request_is_not_read(target: Target) -> None:
    """Else it would be the second request for us, and part of the first for whoever stands before us."""
    smuggled = b"DELETE %b/a HTTP/1.1\r\nHost: a\r\n\r\n" % MAPS
    answer = target.said(
        post(b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n" + smuggled)
    )
    assert answer.count(b"HTTP/1.1 ") == 1


def test_a_header_behind_the_body_is_no_header(target: Target) -> None:
    late = b"0\r\nImpersonate-User: nobody\r\nAuthorization: Bearer a\r\n\r\n"
    o = b'{"kind":"ConfigMap","metadata":{"name":"late"}}'
    body = b"%x\r\n%b\r\n" % (len(o), o) + late
    answer = target.said(post(b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n", body))
    assert code_of(answer) == 201, answer


def test_an_upgrade_to_nothing_we_speak_is_answered_as_if_it_were_not_asked_for(target: Target) -> None:
    headers = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"
    with target.connected() as connection:
        connection.sendall(b"GET /version HTTP/1.1\r\nHost: a\r\n" + headers + b"\r\n")
        assert connection.recv(1 << 16).startswith(b"HTTP/1.1 200 ")


def test_thousands_of_requests_at_once_are_refused_and_not_kept(target: Target) -> None:
    before = target.rss_bytes()
    answer = target.said(b"GET /version HTTP/1.1\r\n\r\n" * 200_000)
    assert answer.count(b"HTTP/1.1 200 ") < 1000
    assert target.rss_bytes() - before < MEMORY_BYTES


def test_a_few_requests_at_once_are_answered_one_after_the_other(target: Target) -> None:
    answer = target.said(b"GET /version HTTP/1.1\r\nHost: a\r\n\r\n" * 9 + get(b"/version"))
    assert answer.count(b"HTTP/1.1 200 ") == 10


# Path -> what an administrator and what a stranger is told.
PATHS: dict[str, tuple[str, int, int]] = {
    "NUL": ("/api/v1/namespaces/%00", 404, 403),
    "a slash in a name": ("/api/v1/namespaces/a%2fb", 404, 403),
    "the parent": ("/api/v1/../../etc/passwd", 404, 403),
    "the parent, hidden": ("/api/v1/namespaces/%2e%2e%2f%2e%2e/secrets", 404, 403),
    "the parent as a namespace": ("/api/v1/namespaces/../secrets/a", 404, 403),
    "double slashes": ("//api//v1//namespaces", 404, 403),
    "an empty namespace": ("/api/v1/namespaces//secrets", 200, 403),
    "half an escape": ("/api/v1/%", 404, 403),
    "no escape": ("/api/v1/%zz/a", 404, 403),
    "no UTF-8": ("/api/v1/namespaces/%ff", 404, 403),
    "another host": ("http://example.com/api/v1/secrets", 200, 403),
    "parameters of a path": ("/api/v1/secrets;a=b", 404, 403),
    "another case": ("/API/v1/secrets", 404, 403),
    "an escape of an escape": ("/api/v1/namespaces/%2561", 404, 403),
    "a watch of a watch": ("/api/v1/watch/watch/secrets", 404, 403),
    "a host in a port": ("/api/v1/nodes/a:@example.com/proxy/", 404, 403),
    "everything": ("*", 404, 403),
}


@pytest.mark.parametrize("name", PATHS)
def test_a_path_is_read_in_one_way(target: Target, name: str) -> None:
    path, admin, stranger = PATHS[name]
    assert target.ask("GET", path)[0] == admin
    assert target.ask("GET", path, context=target.nobody)[0] == stranger


def test_a_proxy_asks_no_other_host(target: Target) -> None:
    """The port in the name of a node was once put into the URL as it was."""
    node = {"metadata": {"name": "n"}}
    assert target.ask("POST", "/api/v1/nodes", node)[0] in (201, 409)
    address = {"addresses": [{"type": "InternalIP", "address": "127.0.0.9"}]}
    patch = {"Content-Type": "application/merge-patch+json"}
    assert target.ask("PATCH", "/api/v1/nodes/n/status", {"status": address}, patch)[0] == 200
    for port in ("@example.com", "80@example.com", "80%3f", "80%23", "0", "65536", "1" * 5000, "%ef%bc%91"):
        code, status = target.ask("GET", f"/api/v1/nodes/n:{port}/proxy/")
        assert (code, status["message"].partition(" ")[0]) == (400, "invalid")
