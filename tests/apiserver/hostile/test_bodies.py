"""Bodies that are too large, too deep, too many, or no JSON, YAML or protobuf at all."""

from __future__ import annotations

import gzip
import json
import struct
import zlib
from typing import Any

import pytest

from apiserver.request import BODY_BYTES_MAX
from kube.api.protobuf import MAGIC
from kube.api.shape import DEPTH_MAX, LIST_MAX, VALUES_MAX
from tests.support.hostile import Target

pytestmark = pytest.mark.slow

JSON, YAML, PROTOBUF = "application/json", "application/yaml", "application/vnd.kubernetes.protobuf"
MAPS = "/api/v1/namespaces/default/configmaps"
REVISIONS = "/apis/apps/v1/namespaces/default/controllerrevisions"
MEMORY_BYTES = 64 << 20


def named(name: str, rest: bytes) -> bytes:
    return b'{"metadata":{"name":"%b"},%b}' % (name.encode(), rest)


def nested(levels: int) -> bytes:
    return b"[" * levels + b"]" * levels


def many_keys(count: int) -> bytes:
    return b",".join(b'"k%d":""' % i for i in range(count))


LAUGHS = b"a: &a [x,x,x,x,x,x,x,x,x]\n" + b"".join(
    b"%c: &%c [%b]\n" % (98 + i, 98 + i, b",".join([b"*%c" % (97 + i)] * 9)) for i in range(9)
)
# What is sent -> what is said.
BODIES: dict[str, tuple[str, bytes, int]] = {
    "larger than allowed": (JSON, b" " * (BODY_BYTES_MAX + 1), 413),
    "nothing": (JSON, b"", 400),
    "deep": (JSON, named("a", b'"data":' + nested(DEPTH_MAX)), 400),
    "deeper than the parser goes": (JSON, b"[" * 100_000, 400),
    "deep maps": (JSON, b'{"a":' * 900 + b"1" + b"}" * 900, 400),
    "many values": (JSON, named("a", b'"data":{' + b'"a":[],' * 10 + many_keys(VALUES_MAX) + b"}"), 400),
    "a long list": (JSON, named("a", b'"data":[' + b"[]," * LIST_MAX + b"[]]"), 400),
    "many finalizers": (JSON, b'{"metadata":{"finalizers":[' + b'"",' * 900_000 + b'""]}}', 400),
    "a number of many digits": (JSON, named("a", b'"data":{"a":%b}' % (b"1" * 1_000_000)), 400),
    "a number beyond doubles": (JSON, b'{"metadata":{"generation":1e999999}}', 400),
    "NaN": (JSON, b'{"metadata":{"generation":NaN}}', 400),
    "infinity": (JSON, b'{"metadata":{"generation":-Infinity}}', 400),
    "half a character": (JSON, b'{"metadata":{"annotations":{"a":"\\ud800"}}}', 400),
    "no UTF-8": (JSON, b'{"metadata":{"annotations":{"a":"\xff\xfe"}}}', 400),
    "UTF-16": (JSON, '{"metadata":{"name":"a"}}'.encode("utf-16"), 400),
    "a byte order mark": (JSON, b'\xef\xbb\xbf{"metadata":{"name":"a"}}', 400),
    "NUL in a name": (JSON, b'{"metadata":{"name":"a\\u0000"}}', 422),
    "a newline behind a name": (JSON, b'{"metadata":{"name":"a\\n"}}', 422),
    "a newline behind a label": (JSON, b'{"metadata":{"name":"a","labels":{"a":"b\\n"}}}', 422),
    "a path as a name": (JSON, b'{"metadata":{"name":"../../nodes/a"}}', 422),
    "an unfinished text": (JSON, b'{"a":"' + b"x" * 2_900_000, 400),
    "an error at the end": (JSON, b"[" + b'{"a":1},' * 300_000 + b"x", 400),
    "gzip": (JSON, gzip.compress(b" " * 100_000_000), 400),
    "deflate": (JSON, zlib.compress(b" " * 100_000_000), 400),
    "billion laughs": (YAML, LAUGHS + b"data: {a: *j}\n", 400),
    "billion laughs, merged": (YAML, LAUGHS.replace(b"[", b"{<<: [").replace(b"]", b"]}"), 400),
    "an alias of itself": (YAML, b"&a [*a]", 400),
    "an alias within itself": (YAML, b"data: &a\n  a: *a\n", 400),
    "deep YAML": (YAML, nested(DEPTH_MAX + 2), 400),
    "deeper YAML": (YAML, b"[" * 3_000_000, 400),
    "deep lists in a line": (YAML, b"- " * 100_000 + b"a", 400),
    "deep keys": (YAML, b"? " * 100_000, 400),
    "deep blocks": (YAML, b"\n".join(b" " * level + b"a:" for level in range(1000)), 400),
    "many documents": (YAML, b"a: b\n---\n" * 100_000, 400),
    "a tag of Python": (YAML, b"!!python/object/apply:os.system ['true']", 400),
    "a name of Python": (YAML, b"data: !!python/name:os.system", 400),
    "binary": (YAML, b"metadata: {name: a}\ndata: {a: !!binary aGVsbG8=}", 400),
    "a set": (YAML, b"metadata: {name: a}\ndata: !!set {a, b}", 400),
    "an explicit time": (YAML, b"metadata: {name: a}\ndata: {a: !!timestamp 2001-12-14}", 400),
    "YAML infinity": (YAML, b"metadata: {generation: .inf}", 400),
    "many digits": (YAML, b"metadata: {generation: %b}" % (b"1" * 400_000), 400),
    "many digits to the base 60": (YAML, b"metadata: {generation: 1%b}" % (b":1" * 100_000), 400),
    "a list as a key": (YAML, b"? [a]\n: b\n", 400),
    "NUL": (YAML, b"a: \x00", 400),
    "no protobuf": (PROTOBUF, b"k8s\x00" + b"\xff" * 100, 400),
    "protobuf that is cut off": (PROTOBUF, MAGIC + b"\x0a\x0f\x0a\x02v1\x12\x09ConfigMap\x12\xff\x01", 400),
    "a type nobody reads": ("text/html", b"{}", 415),
    "a type without end": ("a/" * 4000, b"{}", 415),
}


@pytest.mark.parametrize("name", BODIES)
def test_a_body_that_is_no_object_is_refused(target: Target, name: str) -> None:
    content_type, body, expected = BODIES[name]
    before = target.rss_bytes()
    code, status = target.ask("POST", MAPS, body, {"Content-Type": content_type})
    assert (code, status["kind"]) == (expected, "Status"), status["message"][:300]
    assert target.rss_bytes() - before < MEMORY_BYTES


def envelope(api_version: str, kind: str, raw: bytes) -> bytes:
    type_meta = field(1, api_version.encode()) + field(2, kind.encode())
    return MAGIC + field(1, type_meta) + field(2, raw)


def field(number: int, data: bytes) -> bytes:
    return bytes([number << 3 | 2]) + varint(len(data)) + data


def varint(number: int) -> bytes:
    found = b""
    while number > 127:
        found, number = found + bytes([number & 127 | 128]), number >> 7
    return found + bytes([number])


def test_protobuf_within_protobuf_has_an_end(target: Target) -> None:
    """ControllerRevision.data holds any object, in its own envelope."""
    body = b""
    for _ in range(2000):
        body = envelope("apps/v1", "ControllerRevision", field(2, field(1, body)))
    code, status = target.ask("POST", REVISIONS, body, {"Content-Type": PROTOBUF})
    assert code == 400, status


def test_a_time_of_protobuf_is_one_of_the_calendar(target: Target) -> None:
    created = field(8, b"\x08" + varint(2**62))
    body = envelope("v1", "ConfigMap", field(1, field(1, b"a") + created))
    assert target.ask("POST", MAPS, body, {"Content-Type": PROTOBUF})[0] == 400


def test_a_body_in_pieces_ends_with_the_limit(target: Target) -> None:
    piece = b"10000\r\n" + b" " * 65536 + b"\r\n"
    head = (
        f"POST {MAPS} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    )
    assert target.said(head, *[piece] * 100, b"0\r\n\r\n").startswith(b"HTTP/1.1 413 ")


def test_duplicate_keys_are_counted_once_through(target: Target) -> None:
    """Of many only the first are told; and no warning is a header without end."""
    body = b"{" + b'"a":1,' * 300_000 + b'"b":1}'
    assert target.ask("POST", MAPS, body)[0] == 422
    long = b'{"metadata":{"name":"twice"},"%b":{%b"a":1}}' % (
        b"k" * 1_000_000,
        b'"a":1,"b":1,"c":1,' * 50_000,
    )
    answer = target.said(request("POST", f"{MAPS}?dryRun=All", long))
    assert answer.startswith(b"HTTP/1.1 201 ")
    assert len(answer) < 20_000
    strict = target.said(request("POST", f"{MAPS}?dryRun=All&fieldValidation=Strict", long))
    assert strict.startswith(b"HTTP/1.1 400 ")
    assert len(strict) < 4 * BODY_BYTES_MAX


def request(method: str, path: str, body: bytes, content_type: str = JSON) -> bytes:
    head = f"{method} {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: {content_type}\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def test_unknown_fields_in_any_letters_are_told_in_headers(target: Target) -> None:
    body = json.dumps({"metadata": {"name": "odd"}, "a\r\nX-Evil: 1": 1, "\u20ac": 1, '"\\': 1}).encode()
    answer = target.said(request("POST", f"{MAPS}?dryRun=All", body))
    head = answer.partition(b"\r\n\r\n")[0].lower()
    assert head.startswith(b"http/1.1 201 ")
    assert b"\r\nx-evil" not in head
    assert 'unknown field \\"\u20ac\\"'.encode() in head


@pytest.mark.parametrize("value", ["1e999999999", "1e-999999999", "1" * 100_000, "\uff11", "1\n", "0x10"])
def test_a_quantity_is_an_amount(target: Target, value: str) -> None:
    spec = {"hard": {"pods": value}}
    code, _ = target.ask(
        "POST", "/api/v1/namespaces/default/resourcequotas", {"metadata": {"name": "q"}, "spec": spec}
    )
    assert code == 400


PATCH_TYPES = ("json-patch+json", "merge-patch+json", "strategic-merge-patch+json", "apply-patch+yaml")
NO_PATCHES: dict[str, bytes] = {
    "digits": b'{"metadata":{"generation":%b}}' % (b"1" * 5000),
    "beyond doubles": b'{"metadata":{"generation":1e999999}}',
    "half a character": b'{"a":"\\ud800"}',
    "no UTF-8": b'{"a":"\xff"}',
    "deep": b'{"a":' * 900 + b"1" + b"}" * 900,
    "deeper": b"[" * 100_000,
    "many": b"[" + b"[]," * VALUES_MAX + b"[]]",
    "null": b"null",
    "a text": b'"a"',
}


@pytest.mark.parametrize("kind", PATCH_TYPES)
def test_what_is_no_patch_is_refused(target: Target, kind: str) -> None:
    make(target, "patched")
    for name, body in NO_PATCHES.items():
        path = f"{MAPS}/patched?fieldManager=a"
        code, status = target.ask("PATCH", path, body, {"Content-Type": f"application/{kind}"})
        assert 400 <= code < 500, (name, status)


def make(target: Target, name: str, **rest: Any) -> None:
    path = REVISIONS if "revision" in rest else MAPS
    assert target.ask("POST", path, {"metadata": {"name": name}, **rest})[0] in (201, 409)


def patched(target: Target, path: str, patch: Any, kind: str = "json-patch+json") -> int:
    return target.ask("PATCH", path, json.dumps(patch).encode(), {"Content-Type": f"application/{kind}"})[0]


COPY = {"op": "copy", "from": "/data", "path": "/data/a"}
OPERATIONS: dict[str, tuple[list[Any], int]] = {
    "copies that double": ([COPY | {"path": f"/data/{i}"} for i in range(60)], 422),
    "a copy into itself": ([COPY] * 300, 422),
    "values that are ever deeper": (
        [{"op": "add", "path": "/data" + "/a" * i, "value": {}} for i in range(1, DEPTH_MAX + 2)],
        422,
    ),
    "more than allowed": ([{"op": "test", "path": "/data", "value": {}}] * 10_001, 413),
    "a deep test": ([{"op": "test", "path": "/a" * 100_000, "value": 1}], 422),
    "before the first": ([{"op": "add", "path": "/metadata/finalizers/-1", "value": "a"}], 422),
    "an index that is none": ([{"op": "remove", "path": "/data/l/0x1"}], 422),
    "an index of many digits": ([{"op": "remove", "path": "/data/l/" + "1" * 5000}], 422),
    "digits of another script": ([{"op": "remove", "path": "/data/l/\uff11"}], 422),
    "a move into itself": ([{"op": "move", "from": "/data", "path": "/data/a"}], 422),
    "a copy of nothing": ([{"op": "copy", "path": "/data/a"}], 422),
    "half an escape": ([{"op": "remove", "path": "/~"}], 422),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_operations_of_a_json_patch_are_bounded(target: Target, name: str) -> None:
    make(target, "revised", revision=1, data={"l": [1, 2]})
    operations, expected = OPERATIONS[name]
    before = target.rss_bytes()
    assert patched(target, f"{REVISIONS}/revised", operations) == expected
    assert target.rss_bytes() - before < MEMORY_BYTES


def test_long_lists_are_merged_in_one_pass(target: Target) -> None:
    """Each element was once searched for among all others."""
    env = [{"name": f"a{i}", "value": "b"} for i in range(6_000)]
    template = {"spec": {"containers": [{"name": "a", "image": "a", "env": env}]}}
    path = "/api/v1/namespaces/default/podtemplates"
    assert target.ask("POST", path, {"metadata": {"name": "long"}, "template": template})[0] == 201
    for kind in ("strategic-merge-patch+json", "merge-patch+json"):
        backwards = [{"name": "a", "image": "a", "env": env[::-1]}]
        assert patched(target, f"{path}/long", {"template": {"spec": {"containers": backwards}}}, kind) == 200
    owners = [{"apiVersion": "v1", "kind": "A", "name": "a", "uid": str(i)} for i in range(5_000)]
    assert (
        patched(target, f"{path}/long", {"metadata": {"ownerReferences": owners * 2}}, "merge-patch+json")
        == 200
    )


def test_a_list_does_not_grow_beyond_the_limit(target: Target) -> None:
    make(target, "grown")
    for at in range(3):
        finalizers = [f"example.com/{at}-{i}" for i in range(4_000)]
        code = patched(
            target, f"{MAPS}/grown", {"metadata": {"finalizers": finalizers}}, "strategic-merge-patch+json"
        )
        assert code == (200 if at < 2 else 400)


def test_what_looks_like_a_subscript_is_read_in_one_pass(target: Target) -> None:
    reference = {"fieldRef": {"apiVersion": "v1", "fieldPath": "['" * 500_000}}
    env = [{"name": "a", "valueFrom": reference}]
    spec = {"containers": [{"name": "a", "image": "a", "env": env}]}
    assert (
        target.ask("POST", "/api/v1/namespaces/default/pods", {"metadata": {"name": "a"}, "spec": spec})[0]
        == 422
    )


def test_the_number_of_a_double_is_no_trap(target: Target) -> None:
    nan = struct.pack("<d", float("nan"))
    body = envelope("autoscaling/v2", "HorizontalPodAutoscaler", b"\x09" + nan)
    path = "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers"
    assert target.ask("POST", path, body, {"Content-Type": PROTOBUF})[0] == 400
