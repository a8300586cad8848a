"""Whatever is parsed becomes a value or a refusal, never another exception; what was parsed and is written
again is the same.

More examples, and others each time: HYPOTHESIS_PROFILE=search.
"""

from __future__ import annotations

import base64
import json
import string
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

import orjson
import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from starlette.datastructures import QueryParams

from apiserver import codec
from apiserver.authentication.tokens import Issuing, KeyPair, Tokens
from apiserver.filters.request_info import request_info
from apiserver.handlers.continue_token import Token
from apiserver.handlers.list_options import ListOptions
from apiserver.handlers.options import WriteOptions
from apiserver.handlers.proxy_target import Reference, split_path
from apiserver.registry.managed_fields import Manager, applied
from kube.api import cron_schedule, go_words, protobuf, quantity, shape
from kube.api.errors import StatusError
from kube.api.fields import FieldSelector
from kube.api.labels import Selector
from kube.api.negotiation import PARTIAL, TABLE, negotiate, negotiate_stream
from kube.api.patch import apply, json_merge, json_patch, strategic
from kube.api.patch.field_paths import fields_of
from kube.api.resources import PODS, RESOURCES
from kube.api.schema import Schemas
from kube.base.clock import SystemClock
from kube.base.spdy import Connection, SpdyError

quick = settings(suppress_health_check=[HealthCheck.too_slow])

POD = Schemas.load().type_of(PODS.gvk)
assert POD is not None
ODD = some.sampled_from(
    "\x00\n\r\t /\\.,=!()<>&%~-_+'\"[]{}:;*?$@#0１é€\ud83d\ude00".encode("utf-16", "surrogatepass").decode(
        "utf-16"
    )
)
TEXTS = some.text(max_size=12) | some.text(ODD | some.sampled_from(string.ascii_lowercase), max_size=24)
NUMBERS = (
    some.integers()
    | some.floats(allow_nan=False, allow_infinity=False)
    | some.sampled_from((2**63, -(2**63), 10**30))
)
KEYS = some.sampled_from(
    (
        "metadata",
        "name",
        "spec",
        "containers",
        "labels",
        "env",
        "ports",
        "finalizers",
        "managedFields",
        "fieldsV1",
        "$patch",
        "$retainKeys",
        "$setElementOrder/containers",
        "$deleteFromPrimitiveList/finalizers",
        "image",
        "value",
        "containerPort",
        "f:spec",
        "k:{}",
        ".",
    )
)
JSON: Any = some.recursive(
    some.none() | some.booleans() | NUMBERS | TEXTS | some.sampled_from(("delete", "replace", "merge")),
    lambda inner: some.lists(inner, max_size=4) | some.dictionaries(KEYS | TEXTS, inner, max_size=4),
    max_leaves=12,
)
MAPS = some.dictionaries(KEYS, JSON, max_size=4)
POINTERS = some.lists(
    KEYS | some.sampled_from(("0", "-", "-1", "00", "1" * 5000, "~", "~2", "１")), max_size=4
).map(lambda steps: "".join(f"/{step}" for step in steps))
OPERATIONS = some.dictionaries(
    some.sampled_from(("op", "path", "from", "value")),
    some.sampled_from(("add", "remove", "replace", "move", "copy", "test")) | POINTERS | JSON,
) | some.builds(
    lambda op, path, origin, value: {"op": op, "path": path, "from": origin, "value": value},
    some.sampled_from(("add", "remove", "replace", "move", "copy", "test", "jump")),
    POINTERS,
    POINTERS,
    JSON,
)
OBJECT = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "a", "labels": {"a": "b"}, "finalizers": ["a"]},
    "spec": {"containers": [{"name": "a", "image": "a", "env": [{"name": "a", "value": "b"}]}]},
}


def copied() -> dict[str, Any]:
    o: dict[str, Any] = orjson.loads(orjson.dumps(OBJECT))
    return o


T = TypeVar("T")


def refused_or(parse: Callable[[], T]) -> T | None:
    """What is parsed, None where it is refused; a refusal can be told, and blames the client or, in the words
    of Kubernetes, nobody.
    """
    try:
        return parse()
    except StatusError as error:
        refusal = error
    orjson.dumps(refusal.status())
    assert refusal.code < 500 or not refusal.reason, refusal
    return None


@quick
@given(some.sampled_from(("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "FOO")), TEXTS, TEXTS)
def test_paths(method: str, path: str, selector: str) -> None:
    for prefix in ("", "/api/v1/", "/apis/a/v1/", "/api/v1/namespaces/", "/api/v1/watch/"):
        info = request_info(method, prefix + path, {"fieldSelector": f"metadata.name={selector}"})
        assert "/" not in info.namespace + info.plural
        assert info.is_resource or not info.subresource


@quick
@given(TEXTS)
def test_proxied_paths(path: str) -> None:
    ours, theirs = split_path(f"/api/v1/nodes/a/proxy{path}")
    assert not theirs or theirs.startswith("/")
    assert f"/api/v1/nodes/a/proxy{path}" == ours + theirs
    refused_or(lambda: Reference.parse("node", path))


@quick
@given(some.binary(max_size=64) | TEXTS.map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_bytes(body: bytes) -> None:
    for content_type in ("", "application/json", "application/yaml", "application/vnd.kubernetes.protobuf"):
        refused_or(lambda kind=content_type: codec.decode(kind, body, "Pod"))
    refused_or(lambda: protobuf.decode(protobuf.MAGIC + body))
    for name in ("k8s.io.api.core.v1.Pod", "k8s.io.api.apps.v1.ControllerRevision"):
        raw = b"\x0a\x0b\x0a\x02v1\x12\x03Pod\x12" + bytes([len(body)]) + body
        refused_or(lambda raw=raw, name=name: protobuf.decode(protobuf.MAGIC + raw))
    assert go_words.syntax_error(body) is not None


@quick
@given(JSON)
def test_json_and_yaml_say_the_same(value: Any) -> None:
    written = json.dumps(value).encode()
    try:
        plain = orjson.loads(written)
    except orjson.JSONDecodeError:
        plain = ...
    decoded = refused_or(lambda: codec.decode("application/json", written, "Pod"))
    assert (plain if decoded is None else decoded.o) == plain
    text = yaml.safe_dump(value, allow_unicode=False).encode()
    again = refused_or(lambda: codec.decode("application/yaml", text, "Pod"))
    if again is not None:
        orjson.dumps(again.o, option=orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_SORT_KEYS) if small(
            again.o
        ) else None


def small(value: Any) -> bool:
    """Whether its numbers fit 64 bits, which the schema asks later."""
    if isinstance(value, dict):
        return all(map(small, value.values()))
    if isinstance(value, list):
        return all(map(small, value))
    return not isinstance(value, int) or -(2**63) <= value < 2**63


@quick
@given(JSON)
def test_objects_of_any_shape(value: Any) -> None:
    for resource in RESOURCES[::9]:
        o = refused_or(lambda r=resource: codec.check_kind(r.kind, r.api_version, value))
        if o is not None:
            refused_or(lambda r=resource, o=o: Schemas.load().prune(r.gvk, o))
    assert isinstance(shape.problem(value), str)


@quick
@given(TEXTS, TEXTS)
def test_wishes(first: str, second: str) -> None:
    for accept in (
        first,
        f"application/json;{first},{second}",
        f"*/*;q={first}",
        f"application/json;as={second}",
    ):
        refused_or(lambda a=accept: negotiate(a, (TABLE, PARTIAL)))
        refused_or(lambda a=accept: negotiate_stream(a, (TABLE, PARTIAL)))


WORDS = ("a", "b", "in", "notin", "=", "==", "!=", "!", "(", ")", ",", "<", ">", "1", "-1", "a/b", "\\")
SELECTORS = some.lists(some.sampled_from(WORDS) | TEXTS).map(" ".join)


@quick
@given(SELECTORS | TEXTS)
def test_selectors(text: str) -> None:
    labels = refused_or(lambda: Selector.parse(text))
    if labels is not None:
        assert Selector.parse(str(labels)) == labels
        labels.matches({"a": "b"})
    fields = refused_or(lambda: FieldSelector.parse(text))
    if fields is not None:
        assert FieldSelector.parse(str(fields)) == fields


@quick
@given(
    TEXTS
    | some.from_regex(r"[+-]?[0-9]{0,20}\.?[0-9]{0,20}([eE][+-]?[0-9]{1,12}|[a-zA-Z]{0,2})", fullmatch=True)
)
def test_quantities(text: str) -> None:
    try:
        written = quantity.canonical(text)
    except ValueError:
        return
    assert quantity.canonical(written) == written
    assert quantity.parse(written) == quantity.parse(text)


TOKENS = some.builds(
    lambda version, revision, start: {"v": version, "rv": revision, "start": start},
    some.sampled_from(("meta.k8s.io/v1", "", 1)) | JSON,
    some.integers() | JSON,
    some.sampled_from(("a", "a/b", "../a", "/", "")) | JSON,
)


@quick
@given(TEXTS | TOKENS.map(lambda o: base64.urlsafe_b64encode(json.dumps(o).encode()).decode().rstrip("=")))
def test_continue_tokens(text: str) -> None:
    token = refused_or(lambda: Token.parse(text))
    if token is not None:
        assert Token.parse(str(token)) == token
        assert ".." not in token.start.split("/")


@quick
@given(JSON | some.lists(OPERATIONS, max_size=5), MAPS)
def test_patches(patch: Any, metadata: Any) -> None:
    # As they come from a body: with numbers of 64 bits.
    patch, metadata = orjson.loads(json.dumps([patch, metadata]))
    before = copied()
    for way in (
        lambda o: json_patch.apply(o, patch),
        lambda o: json_merge.apply(o, patch),
        lambda o: strategic.apply(o, patch, POD),
        lambda o: strategic.apply(o, {"metadata": metadata, "spec": {"containers": patch}}, POD),
    ):
        o = copied()
        made = refused_or(lambda way=way, o=o: way(o))
        assert o == before
        if isinstance(made, dict) and small(made):
            refused_or(lambda made=made: Schemas.load().prune(PODS.gvk, made))
            orjson.dumps(made)


@quick
@given(MAPS)
def test_what_is_merged_by_apply_may_be_removed(wanted: Any) -> None:
    o = {**copied(), **wanted}
    if refused_or(lambda: Schemas.load().prune(PODS.gvk, o)) is None:
        return
    merged = refused_or(lambda: apply.merge(POD, copied(), o))
    if merged is not None:
        apply.remove(POD, merged, fields_of(POD, o))


NAMES = (
    "labelSelector",
    "fieldSelector",
    "limit",
    "continue",
    "resourceVersion",
    "resourceVersionMatch",
    "timeoutSeconds",
    "watch",
    "sendInitialEvents",
    "allowWatchBookmarks",
    "dryRun",
    "fieldManager",
    "fieldValidation",
    "force",
)


@quick
@given(
    some.lists(
        some.tuples(
            some.sampled_from(NAMES), TEXTS | some.sampled_from(("0", "-1", "1" * 30, "true", "All", "Exact"))
        )
    )
)
def test_options(pairs: list[tuple[str, str]]) -> None:
    query = QueryParams(pairs)
    refused_or(lambda: ListOptions.for_list(PODS, query))
    refused_or(lambda: ListOptions.for_watch(PODS, query, "a"))
    refused_or(lambda: WriteOptions.read("CreateOptions", query))


SCHEDULES = some.lists(
    some.from_regex(r"[*?0-9/,-]{1,6}|[a-zA-Z]{3}", fullmatch=True), min_size=5, max_size=5
).map(" ".join)


@quick
@given(
    TEXTS
    | SCHEDULES
    | TEXTS.map("@{}".format)
    | some.from_regex(r"@every -?[0-9.]{1,30}(ns|ms|s|m|h)?", fullmatch=True)
)
def test_schedules(text: str) -> None:
    wrong = cron_schedule.mistake(text)
    if not wrong:
        cron_schedule.parse(text)


@pytest.fixture(scope="module")
def tokens() -> Tokens:
    key = ec.generate_private_key(ec.SECP256R1())
    return Tokens(Issuing(KeyPair.of(key), "https://a"), SystemClock(), lambda *_: None)


@quick
@given(TEXTS, JSON, JSON, some.binary(max_size=70))
def test_tokens(tokens: Tokens, text: str, head: Any, body: Any, signature: bytes) -> None:
    parts = [
        base64.urlsafe_b64encode(each).decode().rstrip("=")
        for each in (
            json.dumps(head).encode(),
            json.dumps({"alg": "ES256"}).encode(),
            json.dumps(body).encode(),
            signature,
        )
    ]
    for token in (
        text,
        f"{text}.{text}.{text}",
        f"{parts[0]}.{parts[2]}.{parts[3]}",
        f"{parts[1]}.{parts[2]}.{parts[3]}",
    ):
        assert tokens.authenticate(token) is None


@quick
@given(
    some.lists(
        some.binary(max_size=40)
        | some.builds(
            lambda kind, body: b"\x80\x03\x00" + bytes([kind, 0, 0, 0, len(body)]) + body,
            some.integers(0, 9),
            some.binary(max_size=40),
        ),
        max_size=5,
    )
)
def test_frames_of_spdy(pieces: list[bytes]) -> None:
    connection = Connection()
    try:
        for piece in pieces:
            for event in connection.receive(piece):
                assert event
    except SpdyError:
        return


@quick
@given(MAPS)
def test_managed_fields_that_somebody_wrote(written: Any) -> None:
    live = copied()
    live["metadata"]["managedFields"] = [
        {
            "manager": "a",
            "operation": "Apply",
            "apiVersion": "v1",
            "fieldsType": "FieldsV1",
            "fieldsV1": written,
        }
    ]
    wanted = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "labels": {"c": "d"}}}
    now = datetime(2030, 1, 1, tzinfo=UTC)
    refused_or(lambda: applied(PODS, live, wanted, Manager("a", "Apply", "v1", ""), now, force=False))
