"""Core: values and JSON mistakes in the words of Go, where the API's messages quote them.

    text({"spec": {"a": 1, "b": [True, None]}})   map[spec:map[a:1 b:[true <nil>]]]
    syntax_error(b'{"a": x}')                      invalid character 'x' looking for beginning of value

After: the fmt and encoding/json packages of Go
"""

from __future__ import annotations

import json
import re
from typing import Any

WORDS = {True: "true", False: "false", None: "<nil>"}
# What Python's parser says, and how Go goes on after naming the character.
COMPLAINTS = {
    "Expecting value": "looking for beginning of value",
    "Expecting property name enclosed in double quotes": "looking for beginning of object key string",
    "Illegal trailing comma before end of object": "looking for beginning of object key string",
    "Illegal trailing comma before end of array": "looking for beginning of value",
    "Expecting ':' delimiter": "after object key",
    "Extra data": "after top-level value",
    "Invalid \\escape": "in string escape code",
    "Invalid control character at": "in string literal",
}
# JSON's values, as kinds and as types of Go.
KINDS = {"string": "string", "number": "int64", "bool": "bool", "array": "slice", "object": "map"}
GO_TYPES = {"slice": "[]interface {}", "map": "map[string]interface {}"}
UNFINISHED = "unexpected end of JSON input"


def text(value: Any) -> str:
    """A JSON-shaped value as `%v` prints it: keys in order, no quotes."""
    if isinstance(value, dict):
        return "map[" + " ".join(f"{key}:{text(value[key])}" for key in sorted(value)) + "]"
    if isinstance(value, list):
        return "[" + " ".join(text(item) for item in value) + "]"
    if value is None or isinstance(value, bool):
        return WORDS[value]
    return str(value)


def conversion(mismatch: str) -> str:
    """A JSON value of a wrong type, in the words of who reads it from a map instead of from JSON."""
    found = re.fullmatch(
        r"json: cannot unmarshal (\w+)(?: \S+)? into Go struct field \S+ of type (\S+)", mismatch
    )
    if found is None or found[1] not in KINDS:
        return mismatch
    kind, of = KINDS[found[1]], found[2]
    if of.startswith("[]"):
        return f"cannot restore slice from {kind}"
    if of.startswith("map["):
        return f"cannot restore map from {kind}"
    if "." in of:
        return f"cannot restore struct from: {kind}"
    return f"cannot convert {GO_TYPES.get(kind, kind)} to {of}"


def syntax_error(body: bytes) -> str:
    """What is wrong with a text that is no JSON; empty for one that is."""
    try:
        source = body.decode()
        # The numbers are nobody's: they may have more digits than Python reads.
        json.loads(source, parse_int=len, parse_constant=_no_constant)
    except UnicodeDecodeError as error:
        return f"invalid character {chr(body[error.start])!r} looking for beginning of value"
    except json.JSONDecodeError as error:
        return _in_go(source, error)
    except RecursionError:
        return "exceeded max depth"
    except _NoConstant as error:
        return f"invalid character {str(error)[0]!r} looking for beginning of value"
    return ""


class _NoConstant(Exception):
    """What Python takes for a number, and JSON does not: NaN and Infinity."""


def _no_constant(name: str) -> None:
    raise _NoConstant(name.removeprefix("-"))


def _in_go(source: str, error: json.JSONDecodeError) -> str:
    if error.pos >= len(source) or error.msg.startswith("Unterminated string"):
        return UNFINISHED
    where = next((said for begin, said in COMPLAINTS.items() if error.msg.startswith(begin)), "")
    if not where:
        inside = _innermost(source[: error.pos])
        where = "after array element" if inside == "[" else "after object key:value pair"
    return f"invalid character {source[error.pos]!r} {where}"


def _innermost(source: str) -> str:
    """The bracket that is open at the end of a beginning."""
    opened: list[str] = []
    quoted = escaped = False
    for character in source:
        if quoted:
            quoted = escaped or character != '"'
            escaped = not escaped and character == "\\"
        elif character == '"':
            quoted = True
        elif character in "{[":
            opened.append(character)
        elif character in "}]":
            opened.pop()
    return opened[-1] if opened else ""
