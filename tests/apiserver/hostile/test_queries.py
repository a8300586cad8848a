"""Selectors that cost, numbers that are too large, tokens and options that somebody made up."""

from __future__ import annotations

import base64
from urllib.parse import quote

import pytest

from kube.api.fields import TERMS_MAX
from kube.api.labels import REQUIREMENTS_MAX
from tests.support.hostile import Target

pytestmark = pytest.mark.slow

MAPS = "/api/v1/namespaces/default/configmaps"
WRITTEN = "meta.k8s.io/v1"


def token(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


QUERIES: dict[str, tuple[str, int]] = {
    "many requirements": ("labelSelector=" + ",".join(f"!a{i}" for i in range(REQUIREMENTS_MAX + 1)), 400),
    "as many as there may be": ("labelSelector=" + ",".join(f"!a{i}" for i in range(REQUIREMENTS_MAX)), 200),
    "many values": ("labelSelector=a in (" + ",".join(f"b{i}" for i in range(9000)) + ")", 200),
    "nothing, often": ("labelSelector=a in (" + "," * 60_000 + ")", 200),
    "parentheses": ("labelSelector=" + "(" * 60_000, 400),
    "exclamations": ("labelSelector=" + "!" * 60_000, 400),
    "spaces": ("labelSelector=" + "+" * 60_000, 200),
    "spaces behind a key": ("labelSelector=a" + "+" * 60_000 + "=", 200),
    "a long key": ("labelSelector=" + "a." * 30_000, 400),
    "a long prefix": ("labelSelector=" + "a-" * 30_000 + "/a", 400),
    "many terms": ("fieldSelector=" + ",".join(["metadata.name!=a"] * (TERMS_MAX + 1)), 400),
    "commas": ("fieldSelector=" + "," * 60_000, 200),
    "backslashes": ("fieldSelector=metadata.name=a" + "\\\\" * 5000, 200),
    "a backslash at the end": ("fieldSelector=metadata.name=a\\", 400),
    "equal signs": ("fieldSelector=metadata.name=" + "=" * 60_000, 400),
    "a field nobody has": ("fieldSelector=a" + ".a" * 20_000 + "=b", 400),
    "NUL in a selector": ("labelSelector=a%00", 400),
    "no UTF-8 in a selector": ("labelSelector=%ff%fe", 400),
    "the largest limit": ("limit=9223372036854775807", 200),
    "a larger limit": ("limit=9223372036854775808", 400),
    "a limit of many digits": ("limit=" + "1" * 50_000, 400),
    "digits of another script": ("limit=%EF%BC%91", 400),
    "a version of many digits": ("resourceVersion=" + "1" * 50_000, 400),
    "a negative version": ("resourceVersion=-1", 400),
    "the largest time": ("timeoutSeconds=9223372036854775807", 200),
    "a token of nothing": ("continue=" + token("{}"), 400),
    "a token that is no JSON": ("continue=" + token("{"), 400),
    "a deep token": ("continue=" + token("[" * 10_000), 400),
    "a token of many digits": ("continue=" + token('{"rv":' + "1" * 5000 + "}"), 400),
    "a token of no number": ("continue=" + token('{"rv":NaN}'), 400),
    "a token beyond 64 bits": (
        "continue=" + token(f'{{"v":"{WRITTEN}","rv":{2**70},"start":"a"}}'),
        400,
    ),
    "a token for another collection": (
        "continue=" + token(f'{{"v":"{WRITTEN}","rv":1,"start":"../../secrets/default/a"}}'),
        400,
    ),
    "a token that is no base64": ("continue=%00%ff", 400),
    "another match": ("resourceVersionMatch=" + "a" * 10_000, 422),
    "a table of everything": ("includeObject=" + "a" * 1000, 200),
}


@pytest.mark.parametrize("name", QUERIES)
def test_a_query_has_bounds(target: Target, name: str) -> None:
    query, expected = QUERIES[name]
    code, status = target.ask("GET", f"{MAPS}?{quote(query, safe='=&%+,!()')}")
    assert code == expected, str(status)[:300]


@pytest.mark.parametrize("name", ["many requirements", "many terms", "a larger limit"])
def test_so_it_is_for_watches_and_deletions(target: Target, name: str) -> None:
    query = quote(QUERIES[name][0], safe="=&%+,!()")
    assert target.ask("GET", f"{MAPS}?watch=1&{query}")[0] == 400
    assert target.ask("DELETE", f"{MAPS}?{query}")[0] == 400


WISHES: dict[str, tuple[str, int]] = {
    "commas": ("," * 900_000, 406),
    "semicolons": (";" * 900_000, 406),
    "a long parameter": ("application/json;a=" + "a" * 900_000, 406),
    "a long type": ("a/" * 400_000, 406),
    "letters": ("\xff\xfe", 406),
    "qualities": ("*/*;q=1e999,application/json;q=-1", 200),
}


@pytest.mark.parametrize("name", WISHES)
def test_wishes_have_bounds(target: Target, name: str) -> None:
    accept, expected = WISHES[name]
    assert target.ask("GET", MAPS, headers={"Accept": accept})[0] == expected
    # This watch has no future: it ends as soon as it has begun.
    watch = f"{MAPS}?watch=1&timeoutSeconds=-1"
    assert target.ask("GET", watch, headers={"Accept": accept})[0] == expected


def test_a_long_list_of_encodings_is_none(target: Target) -> None:
    assert target.ask("GET", MAPS, headers={"Accept-Encoding": "gzip," * 100_000})[0] == 200
