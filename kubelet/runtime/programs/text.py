"""Core: pretended programs that read and write text: cat, echo, grep, head, printf, seq, tail, wc."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Sequence
from typing import Any

from kubelet.runtime.programs.files import FileProblem
from kubelet.runtime.programs.process import (
    FOREVER_SECONDS,
    Process,
    Read,
    Request,
    Running,
    Sleep,
    Write,
    complain,
    say,
)

ESCAPES = {"n": "\n", "t": "\t", "\\": "\\", "r": "\r"}
ESCAPE = re.compile(r"\\([nt\\r])")
PLACE = re.compile(r"%[sd%]")


def cat(process: Process, words: Sequence[str]) -> Running:
    """`cat [FILE ...]`: copies its input, as it comes, or files."""
    code = 0
    for name in words or ["-"]:
        if name == "-":
            while data := (yield Read()):
                yield Write(data)
            continue
        content = yield from opened(process, "cat", name)
        if content is None:
            code = 1
        elif content:
            yield Write(content)
    return code


def opened(process: Process, program: str, name: str) -> Generator[Request, Any, bytes | None]:
    """A file's content; a complaint and None where it has none."""
    try:
        return process.surroundings.files.read(process.path(name))
    except FileProblem as problem:
        yield complain(f"{program}: {name}: {problem}\n")
        return None


def echo(_: Process, words: Sequence[str]) -> Running:
    """`echo [-n] [TEXT ...]`."""
    ends = words[:1] != ["-n"]
    yield say(" ".join(words if ends else words[1:]) + ("\n" if ends else ""))
    return 0


def printf(_: Process, words: Sequence[str]) -> Running:
    """`printf FORMAT [TEXT ...]`, of %s, %d and the usual escapes."""
    if not words:
        yield complain("printf: usage: printf FORMAT [ARGUMENT...]\n")
        return 1
    shape = ESCAPE.sub(lambda found: ESCAPES[found[1]], words[0])
    texts = list(words[1:])
    while True:
        yield say(PLACE.sub(lambda found: "%" if found[0] == "%%" else texts.pop(0) if texts else "", shape))
        if not texts or not PLACE.search(shape.replace("%%", "")):
            return 0


def head(process: Process, words: Sequence[str]) -> Running:
    """`head [-n LINES | -LINES | -c BYTES] [FILE]`."""
    count, unit, names = 10, "n", []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word in ("-n", "-c") and rest and rest[0].isdecimal():
            count, unit = int(rest.pop(0)), word[1]
        elif word[:1] == "-" and word[1:].isdecimal():
            count = int(word[1:])
        elif word.startswith("-"):
            yield complain(f"head: unrecognized option: {word}\n")
            return 1
        else:
            names.append(word)
    if names:
        content = yield from opened(process, "head", names[0])
        if content is None:
            return 1
        lines = content.splitlines(keepends=True)
        yield Write(b"".join(lines[:count]) if unit == "n" else content[:count])
        return 0
    return (yield from _head_of_input(count, unit))


def _head_of_input(count: int, unit: str) -> Running:
    """Reads no more than it needs."""
    while count > 0 and (data := (yield Read(line=unit == "n"))):
        yield Write(data if unit == "n" else data[:count])
        count -= 1 if unit == "n" else len(data)
    return 0


COUNTS: dict[str, Callable[[bytes], int]] = {
    "l": lambda data: data.count(b"\n"),
    "w": lambda data: len(data.split()),
    "c": len,
}


def wc(process: Process, words: Sequence[str]) -> Running:
    """`wc [-lwc] [FILE]`."""
    asked = "".join(word[1:] for word in words if word.startswith("-")) or "lwc"
    names = [word for word in words if not word.startswith("-")]
    if names:
        content = yield from opened(process, "wc", names[0])
        if content is None:
            return 1
    else:
        content = yield from everything()
    counts = [str(count(content)) for letter, count in COUNTS.items() if letter in asked]
    yield say(" ".join([*counts, *names[:1]]) + "\n")
    return 0


def tail(process: Process, words: Sequence[str]) -> Running:
    """`tail [-f] [-n LINES | -LINES] [FILE]`; what it follows never grows."""
    count, follows, names, rest = 10, False, [], list(words)
    while rest:
        word = rest.pop(0)
        if word == "-n" and rest and rest[0].lstrip("+").isdecimal():
            count = int(rest.pop(0))
        elif word[:1] == "-" and word[1:].isdecimal():
            count = int(word[1:])
        elif word in ("-f", "-F"):
            follows = True
        else:
            names.append(word)
    content: bytes | None = b""
    if names:
        content = yield from opened(process, "tail", names[0])
        if content is None:
            return 1
    else:
        content = yield from everything()
    lines = content.splitlines(keepends=True)
    yield Write(b"".join(lines[max(len(lines) - count, 0) :]))
    if follows and names:
        yield Sleep(FOREVER_SECONDS)
    return 0


def grep(process: Process, words: Sequence[str]) -> Running:
    """`grep [-qivc] PATTERN [FILE]`; patterns are Python's, which for most is the same."""
    letters = "".join(word[1:] for word in words if word.startswith("-"))
    rest = [word for word in words if not word.startswith("-")]
    if not rest:
        yield complain("grep: missing pattern\n")
        return 2
    try:
        pattern = re.compile(rest[0].encode(), re.IGNORECASE if "i" in letters else 0)
    except re.error:
        yield complain(f"grep: bad regex '{rest[0]}'\n")
        return 2
    content = (yield from opened(process, "grep", rest[1])) if rest[1:] else (yield from everything())
    if content is None:
        return 2
    found = [line for line in content.splitlines() if bool(pattern.search(line)) is not ("v" in letters)]
    if "c" in letters:
        yield say(f"{len(found)}\n")
    elif "q" not in letters:
        yield Write(b"".join(line + b"\n" for line in found))
    return 0 if found else 1


def seq(_: Process, words: Sequence[str]) -> Running:
    """`seq [FIRST [STEP]] LAST`, of whole numbers."""
    if not 1 <= len(words) <= 3 or not all(re.fullmatch(r"-?[0-9]+", word) for word in words):
        yield complain(f"seq: invalid number '{' '.join(words)}'\n")
        return 1
    numbers = [int(word) for word in words]
    first, step, last = (numbers[0] if numbers[1:] else 1), (numbers[1] if numbers[2:] else 1), numbers[-1]
    if step == 0:
        yield complain("seq: increment is 0\n")
        return 1
    for number in range(first, last + (1 if step > 0 else -1), step):
        yield say(f"{number}\n")
    return 0


def everything() -> Generator[Request, Any, bytes]:
    """The whole standard input."""
    content = b""
    while data := (yield Read()):
        content += data
    return content
