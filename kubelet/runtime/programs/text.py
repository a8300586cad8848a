"""Core: pretended programs that read and write text: cat, echo, head, wc."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Any

from kubelet.runtime.programs.files import FileProblem
from kubelet.runtime.programs.process import Process, Read, Request, Running, Write, complain, say


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
        content = b""
        while data := (yield Read()):
            content += data
    counts = [str(count(content)) for letter, count in COUNTS.items() if letter in asked]
    yield say(" ".join([*counts, *names[:1]]) + "\n")
    return 0
