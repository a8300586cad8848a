"""Core: the token that stands for the rest of a list: its revision and the first key of the next page.

Clients hand it back as it is; one that somebody else made up is refused, above all one whose key would leave
the collection it was made for.

After: k8s staging/src/k8s.io/apiserver/pkg/storage/continue.go
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import Any

import orjson

from kube.api import errors
from kube.api.errors import StatusError
from kube.api.go_words import syntax_error

VERSION = "meta.k8s.io/v1"
ALPHABET = re.compile(r"[A-Za-z0-9_-]*")
LATEST = -1


@dataclass(frozen=True, slots=True)
class Token:
    """Where the next page begins.

    revision: the revision of the list; LATEST gives up on having all pages of one.
    start: the key within the collection.
    """

    revision: int
    start: str

    def __str__(self) -> str:
        text = orjson.dumps({"v": VERSION, "rv": self.revision, "start": self.start})
        return base64.urlsafe_b64encode(text).rstrip(b"=").decode()

    @classmethod
    def parse(cls, text: str) -> Token:
        """Read a token; StatusError 400 when it is none of ours."""
        value = _decoded(text)
        version, revision, start = value.get("v", ""), value.get("rv", 0), value.get("start", "")
        if version != VERSION:
            raise _bad(f": server does not recognize this encoded version {version}")
        if type(revision) is not int or not isinstance(start, str):
            raise _bad(": json: cannot unmarshal a field of continueToken")
        if not revision:
            raise _bad(f": incorrect encoded start resourceVersion (version {VERSION})")
        if not start:
            raise _bad(f": encoded start key empty (version {VERSION})")
        key = start.removeprefix("/")
        if any(part in ("", ".", "..") for part in key.split("/")):
            raise _bad(f": {start}")
        return cls(revision, key)


def _decoded(text: str) -> dict[str, Any]:
    """What is written in a token: base64 for URLs, without padding, of a JSON object."""
    good = ALPHABET.match(text)
    assert good is not None, "an empty text matches too"
    if good.end() < len(text) or len(text) % 4 == 1:
        raise _bad(f": illegal base64 data at input byte {min(good.end(), len(text) - 1)}")
    written = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    try:
        value = orjson.loads(written)
    except orjson.JSONDecodeError as error:
        raise _bad(f": {syntax_error(written) or error}") from None
    if not isinstance(value, dict):
        raise _bad(": json: cannot unmarshal it into a continueToken")
    return value


def _bad(why: str) -> StatusError:
    return errors.bad_request(f"invalid continue token: continue key is not valid{why}")
