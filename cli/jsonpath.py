r"""Core: kubectl's JSONPath templates: `{.items[*].metadata.name}{"\n"}`.

    template   text with {actions}; \n and \t in quoted text are what they say
    {range P} ... {end}      once for each value of P, with it as @
    path       .key ['key'] [0] [-1] [1:3] [*] .* ..key [?(@.key=="x")] [a,b]

What is missing gives nothing. Values of one path are parted by blanks, objects written as JSON.
After: k8s staging/src/k8s.io/client-go/util/jsonpath.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from cli.errors import CliError

# One step of a path: from a value to the values it leads to.
Step = Callable[[Any], Iterator[Any]]

STEP = re.compile(
    r"""\.\.(?P<deep>[\w/-]+|\*)            # ..key
      | \.(?P<key>(?:[\w/-]|\\.)+|\*)       # .key, with \. for a dot in it
      | \[\?\((?P<filter>.*?)\)\]           # [?(@.key=="x")]
      | \['(?P<quoted>[^']*)'\]
      | \[(?P<index>[-\d:,*]*)\]""",
    re.VERBOSE,
)
COMPARISON = re.compile(r"\s*(?P<left>@[^=<>!]*?)\s*(?:(?P<sign>==|!=|<=|>=|<|>)\s*(?P<right>.+?))?\s*$")
ACTION = re.compile(r"\{((?:\"[^\"]*\"|'[^']*'|[^}\"'])*)\}")
COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    ">": lambda a, b: a > b,
    "<=": lambda a, b: a <= b,
    ">=": lambda a, b: a >= b,
}


def render(template: str, root: Any) -> str:
    """The template filled in."""
    return "".join(_render(_tokens(template), root, root))


def values(path: str, root: Any) -> list[Any]:
    """All values a path leads to: `.a.b`, `a.b` or `{.a.b}`."""
    path = path.strip().removeprefix("{").removesuffix("}")
    return _follow(path if path[:1] in ("", ".", "[", "$", "@") else f".{path}", root, root)


def text(value: Any) -> str:
    """A value as a template prints it."""
    if isinstance(value, str):
        return value
    return json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class _Token:
    """A piece of a template: plain text, or what stood between braces."""

    text: str
    is_action: bool


def _tokens(template: str) -> list[_Token]:
    tokens, end = [], 0
    for match in ACTION.finditer(template):
        tokens += [_Token(template[end : match.start()], False), _Token(match[1].strip(), True)]
        end = match.end()
    rest = template[end:]
    if "{" in rest:
        raise CliError(f"error parsing jsonpath {template}, unclosed action")
    return [*tokens, _Token(rest, False)]


def _render(tokens: Sequence[_Token], root: Any, here: Any) -> Iterator[str]:
    i = 0
    while i < len(tokens):
        token = tokens[i]
        i += 1
        if not token.is_action:
            yield token.text
        elif token.text.startswith("range "):
            end = _end(tokens, i)
            for value in _follow(token.text.removeprefix("range ").strip(), root, here):
                yield from _render(tokens[i:end], root, value)
            i = end + 1
        elif token.text[:1] in ('"', "'"):
            yield _unquoted(token.text)
        else:
            yield " ".join(map(text, _follow(token.text, root, here)))


def _end(tokens: Sequence[_Token], start: int) -> int:
    """Where the range whose body begins at `start` ends."""
    depth = 1
    for i in range(start, len(tokens)):
        if tokens[i].is_action:
            depth += tokens[i].text.startswith("range ")
            depth -= tokens[i].text == "end"
        if depth == 0:
            return i
    raise CliError("jsonpath: a range without its {end}")


def _unquoted(word: str) -> str:
    return word[1:-1].replace("\\n", "\n").replace("\\t", "\t").replace("\\\\", "\\")


def _follow(path: str, root: Any, here: Any) -> list[Any]:
    found = [root if path.startswith("$") else here]
    rest = path.lstrip("$@")
    while rest:
        match = STEP.match(rest)
        if match is None:
            raise CliError(f"jsonpath: cannot read {rest!r} in {path!r}")
        step = _step(match, root)
        found = [after for value in found for after in step(value)]
        rest = rest[match.end() :]
    return found


def _step(match: re.Match[str], root: Any) -> Step:
    if match["deep"] is not None:
        return lambda value: (hit for each in _below(value) for hit in _key(each, match["deep"]))
    if match["key"] is not None:
        key = re.sub(r"\\(.)", r"\1", match["key"])
        return lambda value: _key(value, key)
    if match["quoted"] is not None:
        return lambda value: _key(value, match["quoted"])
    if match["filter"] is not None:
        return lambda value: (each for each in _elements(value) if _passes(match["filter"], root, each))
    return lambda value: _index(value, match["index"])


def _elements(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _below(value: Any) -> Iterator[Any]:
    """The value and everything in it."""
    yield value
    for each in _elements(value):
        yield from _below(each)


def _key(value: Any, key: str) -> Iterator[Any]:
    if key == "*":
        yield from _elements(value)
    elif isinstance(value, dict) and key in value:
        yield value[key]


def _index(value: Any, index: str) -> Iterator[Any]:
    """`*`, `0`, `-1`, `1:3`, `0,2`; nothing where there is none."""
    if index == "*":
        yield from _elements(value)
        return
    items = value if isinstance(value, list) else []
    for part in index.split(","):
        if ":" in part:
            bounds = [int(bound) if bound else None for bound in part.split(":")]
            yield from items[slice(*bounds)]
        elif part and -len(items) <= int(part) < len(items):
            yield items[int(part)]


def _passes(condition: str, root: Any, here: Any) -> bool:
    match = COMPARISON.match(condition)
    if match is None:
        raise CliError(f"jsonpath: cannot read the filter {condition!r}")
    left = _follow(match["left"], root, here)
    if match["sign"] is None:
        return bool(left)
    right = _operand(match["right"], root, here)
    try:
        return bool(left) and bool(right) and COMPARE[match["sign"]](left[0], right[0])
    except TypeError:
        return False


def _operand(word: str, root: Any, here: Any) -> list[Any]:
    if word[:1] in ("@", "$"):
        return _follow(word, root, here)
    if word[:1] in ('"', "'"):
        return [word[1:-1]]
    try:
        return [json.loads(word)]
    except json.JSONDecodeError as error:
        raise CliError(f"jsonpath: cannot read {word!r}") from error
