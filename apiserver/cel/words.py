"""Core: what the C++ library says of an expression, in the words of the Go library that Kubernetes uses.

After: github.com/google/cel-go common/errors.go, common/types/err.go
"""

from __future__ import annotations

import re
from collections.abc import Collection

BUDGET = "operation cancelled: actual cost limit exceeded"
FIELD_OF_NULL = "Applying SELECT to non-message type"
FIRST_FIELD = re.compile(r"(?<![.\w])(\w+)\s*\.\s*(\w+)")
STATUS = re.compile(r"^[A-Z_]+: | \[[A-Z_]+\]$")
UNDECLARED = re.compile(r"ERROR: <input>:(\d+):(\d+): undeclared reference to '([^']*)'")
UNLOCATED = (
    "expression recursion limit exceeded",
    "exceeded max recursion depth",
    "expression code point size",
)

# What the library says of a compilation that it did not begin, or gave up.
GIVEN_UP = (
    (
        re.compile(r"Expression recursion limit exceeded. limit: (\d+)"),
        r"expression recursion limit exceeded: \1",
    ),
    (
        re.compile(r"(?:ERROR: <input>:-1:-1: )?Exceeded max recursion depth of (\d+) when parsing\."),
        r"max recursion depth exceeded: \1",
    ),
    (
        re.compile(r"expression size exceeds codepoint limit. input size: (\d+), limit: (\d+)"),
        r"expression code point size exceeds limit: size: \1, limit \2",
    ),
)
EVALUATION = (
    (re.compile(r'Key not found in map : "?(.*?)"?'), r"no such key: \1"),
    (re.compile(r"No matching overloads found : .*", re.DOTALL), "no such overload"),
    (re.compile(r"Index error: index=(-?\d+) size=\d+"), r"index out of bounds: \1"),
    (re.compile(r"divide by zero"), "division by zero"),
    (re.compile(r"modulus by zero"), "modulus by zero"),
    (re.compile(r"Iteration budget exceeded"), BUDGET),
)


def of_compilation(text: str, said: str, has_variables: bool) -> str:
    """Why the text did not compile."""
    said = STATUS.sub("", said)
    for found, instead in GIVEN_UP:
        if match := found.match(said):
            return f"ERROR: <input>:-1:0: {match.expand(instead)}"
    lines = said.replace(" not found in struct 'kubernetes.AdmissionRequest'", "").split("\n")
    lines = [re.sub(r"(undefined field '.*') not found in struct '.*'$", r"\1", line) for line in lines]
    for index, line in enumerate(lines):
        if match := UNDECLARED.match(line):
            lines[index : index + 3] = _undeclared(text, lines[index : index + 3], match, has_variables)
    return "\n".join(lines)


def _undeclared(text: str, block: list[str], match: re.Match[str], has_variables: bool) -> list[str]:
    """Of a name with dots, the first part is what nobody declared, and where it stands is the place."""
    line, column, name = int(match[1]), int(match[2]), match[3]
    path, dot, _ = name.rpartition(".")
    if not dot or len(block) < 3:
        return block
    root, _, rest = name.partition(".")
    start = column - 1 - len(path)
    if start < 0 or not text.split("\n")[line - 1][start:].startswith(path):
        return block
    if has_variables and root == "variables":
        start += len(root)
        said = f"undefined field '{rest.partition('.')[0]}'"
    else:
        said = f"undeclared reference to '{root}' (in container '')"
    return [f"ERROR: <input>:{line}:{start + 1}: {said}", block[1], " | " + "." * start + "^"]


def of_evaluation(said: str, text: str = "", nulls: Collection[str] = ()) -> str:
    """Why an evaluation of a text came to nothing; nulls: the variables that are null."""
    said = STATUS.sub("", said)
    if said == FIELD_OF_NULL:
        # The library does not say which field; most likely it is the first of such a variable.
        fields = [match[2] for match in FIRST_FIELD.finditer(text) if match[1] in nulls]
        return f"no such key: {fields[0]}" if fields else "no such key"
    for found, instead in EVALUATION:
        if match := found.fullmatch(said):
            return match.expand(instead)
    return said


def of_type(name: str) -> str:
    """`LIST<DYN>` as `list(dyn)`."""
    lower = re.sub(r"(?<![.\w])[A-Z]+\b", lambda match: match[0].lower(), name)
    return re.sub(r"\bnull\b", "null_type", lower.replace("<", "(").replace(">", ")"))
